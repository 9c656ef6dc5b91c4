import { Button, FileButton, Text, UnstyledButton } from "@mantine/core";
import { IconFolderOpen } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { mayTakeFocus } from "../parts/keyboard";
import { capital } from "../parts/phrases";
import { focusPrompt } from "../prompt/focus";
import { useModel, useToldModel } from "../session/models";
import { useSession } from "../session/store";
import { takeFile } from "./dropped";
import { changeOnTheWay, drawOne, drawRegions, subject, wordingFor } from "./examples";
import { Illustration, type IllustrationKind } from "./Illustration";
import { ACCEPTED } from "./incoming";
import { invitationFor } from "./invitation";
import classes from "./Welcome.module.css";

interface Example {
  kind: IllustrationKind;
  title: string;
  text: string;
  run(): Promise<void>;
}

/** What an empty stage shows: an invitation, and three pictures that are made by one click. */
export function Welcome() {
  const model = useModel();
  const link = useSession((state) => state.link);
  const [busy, setBusy] = useState<IllustrationKind | null>(null);
  const wording = wordingFor(model);
  const invitation = invitationFor(useToldModel());
  useEffect(() => {
    // whoever comes with a keyboard can write at once
    const isFree = document.activeElement === document.body || document.activeElement === null;
    if (isFree && mayTakeFocus()) focusPrompt();
  }, []);

  const examples: Example[] = [
    { kind: "draw", title: "Draw something", text: capital(wording.single), run: () => drawOne(wording) },
    {
      kind: "change",
      title: "Change it on the way",
      text: `${capital(subject(wording.before))} that becomes ${subject(wording.after)} while it forms`,
      run: () => changeOnTheWay(wording),
    },
    {
      kind: "regions",
      title: "Say what goes where",
      text: `${capital(subject(wording.left))} on the left, ${subject(wording.right)} on the right`,
      run: () => drawRegions(wording, model),
    },
  ];

  async function run({ kind, run }: Example) {
    setBusy(kind);
    await run();
    setBusy(null);
  }

  return (
    <section className={classes.welcome} aria-label="Welcome">
      <div className={classes.inner}>
        <Text component="h2" className={classes.invitation}>
          {invitation.title}
        </Text>
        <Text size="sm" c="dimmed">
          {invitation.text}
        </Text>
        {invitation.hasExamples && (
          <ul className={classes.examples}>
            {examples.map((one) => (
              <li key={one.kind}>
                <UnstyledButton
                  className={classes.example}
                  disabled={link !== "live" || !model || busy !== null}
                  onClick={() => void run(one)}
                  data-example={one.kind}
                >
                  <Illustration kind={one.kind} />
                  <span className={classes.told}>
                    <Text span fw={600} size="sm">
                      {one.title}
                    </Text>
                    <Text span size="xs" c="dimmed">
                      {one.text}
                    </Text>
                  </span>
                </UnstyledButton>
              </li>
            ))}
          </ul>
        )}
        <FileButton accept={ACCEPTED} onChange={(file) => file && void takeFile(file)}>
          {(props) => (
            <Button
              {...props}
              variant="subtle"
              color="gray"
              size="compact-sm"
              leftSection={<IconFolderOpen size={16} />}
            >
              Open a picture, or drop one in
            </Button>
          )}
        </FileButton>
      </div>
    </section>
  );
}
