import { Button, Group, Stack, Text, Textarea, Tooltip } from "@mantine/core";
import { IconArrowBackUp, IconArrowForwardUp, IconPlayerPlay, IconSparkles } from "@tabler/icons-react";
import { type KeyboardEvent, useState } from "react";
import { redo, undo, useUndoable } from "../canvas/undoing";
import type { ModelInfo } from "../connection/http";
import { ClassChoice } from "../inputs/ClassChoice";
import { LayoutPanel } from "../inputs/LayoutPanel";
import { readable } from "../inputs/reading";
import { allShown, shownNow } from "../inputs/shown";
import { IconAction, Section } from "../parts/Section";
import { useUnsaid } from "../parts/unsaid";
import { placedRegions } from "../regions/placed";
import { change, generate, type LiveControl, useControl } from "../session/actions";
import { useToldModel } from "../session/models";
import { useSession } from "../session/store";
import { isPrepared } from "../session/view";
import { useDrawnWords } from "../timeline/drawn";

const WORDS_ALONE: Pick<ModelInfo, "reads" | "classes"> = { reads: "text", classes: [] };

const WORDING = {
  text: { label: "What should it show?", placeholder: "a red apple on a plain blue background", minRows: 3 },
  class: { label: "What should it show?", placeholder: "the number of a class", minRows: 1 },
  layout: { label: "The boxes in words", placeholder: "fox 0.1 0.2 0.5 0.6; key 0.6 0.6 0.9 0.9", minRows: 2 },
};

/** What the picture shows, in words, or as the model reads it; live while it forms. */
export function PromptPanel() {
  const status = useSession((state) => state.view?.place.status);
  const prepared = useSession(({ view }) => isPrepared(view));
  const { canUndo, canRedo } = useUndoable();
  const link = useSession((state) => state.link);
  const [isBeginning, setBeginning] = useState(false);
  const model = useToldModel();
  const { reads, classes } = model ?? WORDS_ALONE;
  const control = useControl("prompt");
  const forms = status === "running" || (status === "paused" && !prepared);

  const unsaid = status === "finished" ? "For the next picture: Enter makes it." : "Not said yet: press Enter.";

  async function begin() {
    if (isBeginning) return;
    setBeginning(true);
    await allShown();
    await generate(placedRegions, shownNow);
    setBeginning(false);
  }

  return (
    <Section
      title="Picture"
      actions={
        <Group gap={2} wrap="nowrap">
          <IconAction label="Undo the last change" onClick={undo} disabled={!canUndo}>
            <IconArrowBackUp size={16} />
          </IconAction>
          <IconAction label="Redo the change" onClick={redo} disabled={!canRedo}>
            <IconArrowForwardUp size={16} />
          </IconAction>
        </Group>
      }
    >
      <Stack gap="xs">
        {reads === "class" && classes.length > 0 && <ClassChoice classes={classes} />}
        {reads === "layout" && <LayoutPanel names={classes} />}
        {(reads === "text" || reads === "layout" || (reads === "class" && classes.length === 0)) && (
          <Words
            name="prompt"
            said={reads === "text" ? undefined : readable(control, model)}
            {...WORDING[reads]}
            onEnter={forms ? undefined : begin}
            hint={forms ? "Enter changes it from the next step on." : "Enter makes the picture."}
            unsaid={unsaid}
          />
        )}
        {reads === "text" && (
          <Words
            name="negative_prompt"
            label="What should it avoid?"
            placeholder="nothing in particular"
            minRows={1}
            hint="The negative prompt: each step moves away from it."
            unsaid={unsaid}
          />
        )}
        <Tooltip label={forms ? "Begin another picture; this one goes on by itself." : "Ctrl-Enter from anywhere"}>
          <Button
            id="generate"
            variant={forms ? "light" : "filled"}
            leftSection={prepared ? <IconPlayerPlay size={16} /> : <IconSparkles size={16} />}
            loading={isBeginning}
            disabled={link !== "live"}
            onClick={() => void begin()}
            fullWidth
          >
            {forms ? "Make another" : "Make the picture"}
          </Button>
        </Tooltip>
      </Stack>
    </Section>
  );
}

interface WordsProps {
  /** As the page has it, where that is not what the session says. */
  said?: string | undefined;
  name: LiveControl & ("prompt" | "negative_prompt");
  label: string;
  placeholder: string;
  minRows: number;
  hint: string;
  /** Beside words that act on nothing yet. */
  unsaid: string;
  /** What Enter does besides saying the new words. */
  onEnter?: (() => Promise<void>) | undefined;
}

/** A text that is the person's own while they write, and the session's otherwise. */
function Words({ said: here, name, label, placeholder, minRows, hint, unsaid, onEnter }: WordsProps) {
  const there = useControl(name);
  const said = here ?? there;
  // words that a finished picture was not drawn with are for the next one, however they came here
  const drawn = useDrawnWords(name);
  const acts = here ?? drawn ?? said;
  const session = useSession((state) => state.id);
  const say = (next: string) => void change(name, next);
  const { text, setText, isUnsaid, finish, drop } = useUnsaid({ said, acts, say, of: session, box: name });

  function pressed(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.key === "Escape") drop(event.currentTarget);
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    finish();
    void onEnter?.();
  }

  return (
    <Textarea
      id={name}
      label={label}
      placeholder={placeholder}
      value={text}
      minRows={minRows}
      maxRows={8}
      autosize
      onChange={(event) => setText(event.currentTarget.value)}
      onKeyDown={pressed}
      onBlur={finish}
      data-unsaid={isUnsaid || undefined}
      description={
        <Text span inherit c={isUnsaid ? "sea" : undefined}>
          {isUnsaid ? unsaid : hint}
        </Text>
      }
      inputWrapperOrder={["label", "input", "description", "error"]}
    />
  );
}
