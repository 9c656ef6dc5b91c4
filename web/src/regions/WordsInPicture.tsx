import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { pixelsOf } from "../canvas/masks/pictures";
import { useOverlays } from "../canvas/overlays";
import { activate } from "../canvas/state";
import { api, pictures } from "../connection/http";
import { notice } from "../parts/notices";
import { sentence, useSession } from "../session/store";
import { addRegionFromWord } from "./edit";
import { Fold } from "./Fold";
import { wordsOf } from "./promptWords";

/** Where words of the prompt act, and regions made of that. */
export function WordsInPicture() {
  const prompt = useSession((state) => state.view?.place.settings.prompt ?? "");
  const begun = useSession((state) => (state.view?.place.step ?? 0) > 0);
  const heat = useOverlays((state) => state.heat?.word ?? null);
  const [text, setText] = useState("");
  const [finding, setFinding] = useState<string | null>(null);
  // another prompt has other words, and where those of the former one acted is of the past
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the prompt that ends it
  useEffect(() => cool, [prompt]);

  async function find(word: string) {
    setFinding(word);
    const id = await addRegionFromWord(word);
    setFinding(null);
    if (!id) return;
    cool();
    activate(id);
  }

  return (
    <Fold title="Words in the picture" onClose={cool}>
      {!begun ? (
        <Text size="xs" c="dimmed" pb={4}>
          After the first step you can see here where each word of the prompt acts.
        </Text>
      ) : (
        <Stack gap="xs" pt={2}>
          <Group gap={4}>
            {wordsOf(prompt).map((word) => (
              <Button
                key={word}
                size="compact-xs"
                variant={heat === word ? "filled" : "default"}
                aria-pressed={heat === word}
                onClick={() => void (heat === word ? cool() : warm(word))}
              >
                {word}
              </Button>
            ))}
          </Group>
          {heat && (
            <Button size="xs" variant="light" loading={finding === heat} onClick={() => void find(heat)}>
              Make a region of "{heat}"
            </Button>
          )}
          <form
            onSubmit={(event: FormEvent) => {
              event.preventDefault();
              if (text.trim()) void find(text.trim());
            }}
          >
            <Group gap={8} wrap="nowrap" align="end">
              <TextInput
                label="Find the ..."
                placeholder="cat"
                size="xs"
                flex={1}
                value={text}
                onChange={(event) => setText(event.currentTarget.value)}
              />
              <Button type="submit" size="xs" variant="default" loading={finding !== null && finding === text.trim()}>
                Find
              </Button>
            </Group>
          </form>
        </Stack>
      )}
    </Fold>
  );
}

const cool = () => useOverlays.setState({ heat: null });

/** Lay over the picture where a word acts. */
async function warm(word: string): Promise<void> {
  const { view } = useSession.getState();
  if (!view) return;
  try {
    const { width, height, data } = await pixelsOf(await api.blob(pictures.word(view.session, word, view.place.node)));
    const values = Uint8Array.from({ length: width * height }, (_, index) => data[4 * index] ?? 0);
    useOverlays.setState({ heat: { word, mask: { width, height, values } } });
  } catch (problem) {
    notice.problem(sentence(problem));
  }
}
