import { Button, Code, Group, Kbd, Text } from "@mantine/core";
import { IconCube, IconKeyboard } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { openPage } from "../parts/pages";
import classes from "./Pages.module.css";

/** One page for whoever has never heard of latents. */
export function Help() {
  return (
    <div className={classes.help}>
      <Part title="A picture forms in steps">
        It begins as pure noise. At every step the network looks at it, and at your words, and takes a little of the
        noise away. First you see where things are, then what they are, and details last. A run has some 25 steps; each
        of them is kept.
      </Part>
      <Part title="Change it while it forms">
        Write other words and press <Kbd size="xs">Enter</Kbd>: they act from the next step on. So do how strongly the
        words are followed, the method, the number of steps, and regions. Early changes change everything, late ones
        only details. <Kbd size="xs">P</Kbd> pauses, and a paused picture can be changed at leisure.
      </Part>
      <Part title="Say what goes where">
        A region is an area with words of its own. Add one on the left, paint where it is, and write what belongs there.
        What lies in no region follows the words of the whole picture. Two words can be told apart this way that would
        otherwise run into each other.
      </Part>
      <Part title="Judge an area">
        With the Area tab you mark a part of the picture and say what shall become of it: keep it as it is, make it
        anew, more like this, or something else. The rest stays.
      </Part>
      <Part title="Go back, and keep both">
        The strip below the picture has every step. Click one to go back to it. When you change something there, the
        picture goes on as a branch of its own: the former one is still there, and the two can be compared.
      </Part>
      <Part title="Save, and bring back">
        <Kbd size="xs">Ctrl</Kbd> <Kbd size="xs">S</Kbd> saves the picture. Saved with all its states it brings the
        whole session along: drop the file in here again, on this machine or another, and everything is as it was. Any
        other picture can be where a new one begins. All you make stays in the History tab until you delete it there.
      </Part>
      <Part title="Nothing is lost">
        Reload the page, close it, lose the network: the picture goes on meanwhile, and is here when you come back.
      </Part>
      <Group gap={8} mt={4}>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconKeyboard size={16} />}
          onClick={() => openPage("keyboard")}
        >
          Keyboard
        </Button>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconCube size={16} />}
          onClick={() => openPage("models")}
        >
          Models
        </Button>
      </Group>
      <Text size="xs" c="dimmed">
        More of it, in the documentation that comes with ildm: <Code>docs/steer.md</Code>, <Code>docs/regions.md</Code>,{" "}
        <Code>docs/sessions.md</Code>, <Code>docs/checkpoints.md</Code>.
      </Text>
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <Text component="h3" size="sm" fw={600} mb={2}>
        {title}
      </Text>
      <Text size="sm" className={classes.prose}>
        {children}
      </Text>
    </section>
  );
}
