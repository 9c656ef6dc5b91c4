import { Button, Group, Loader, Modal, Slider, Stack, Text, Textarea } from "@mantine/core";
import { IconPhotoDown } from "@tabler/icons-react";
import { useEffect, useId, useState } from "react";
import { useControl } from "../session/actions";
import { useSession } from "../session/store";
import classes from "./DropLayer.module.css";
import { listenForFiles, startFrom, useIncoming } from "./dropped";
import { strengthWords } from "./incoming";

/** What lies over the page while a file is held over it, looked at, or asked about. */
export function DropLayer() {
  const { isOver, isTaking, foreign } = useIncoming();
  useEffect(listenForFiles, []);
  return (
    <>
      {(isOver || isTaking) && (
        <div className={classes.layer} role="status">
          <div className={classes.card}>
            {isTaking ? <Loader size={32} /> : <IconPhotoDown size={40} stroke={1.4} aria-hidden />}
            <Text fw={600} size="lg">
              {isTaking ? "Looking at it ..." : "Drop it anywhere"}
            </Text>
            {!isTaking && (
              <Text size="sm" c="dimmed" ta="center">
                A picture made here comes back: with all its states where they were saved, else made once more.
                <br />
                Any other one can be where the next begins.
              </Text>
            )}
          </div>
        </div>
      )}
      <Modal
        opened={foreign !== null}
        onClose={forget}
        title="Start from this picture?"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
        size={480}
      >
        {foreign && <StartFrom file={foreign} />}
      </Modal>
    </>
  );
}

function forget() {
  useIncoming.setState({ foreign: null });
}

function StartFrom({ file }: { file: File }) {
  const id = useId();
  const isInSession = useSession((state) => state.view !== null);
  const said = useControl("prompt");
  const width = useControl("width");
  const height = useControl("height");
  const [prompt, setPrompt] = useState(said);
  const [strength, setStrength] = useState(0.6);
  const [isGoing, setGoing] = useState(false);
  const url = useAddress(file);

  async function go() {
    setGoing(true);
    const begun = await startFrom(file, strength, prompt.trim());
    setGoing(false);
    if (begun) forget();
  }

  return (
    <Stack gap="md">
      <Group wrap="nowrap" gap="md" align="stretch">
        <div className={classes.preview} style={{ aspectRatio: `${width} / ${height}` }}>
          {url && <img src={url} alt={`What you brought: ${file.name}`} />}
        </div>
        <Textarea
          label="What should it become?"
          placeholder="a red apple on a plain blue background"
          flex={1}
          minRows={3}
          maxRows={6}
          autosize
          data-autofocus
          value={prompt}
          onChange={(event) => setPrompt(event.currentTarget.value)}
        />
      </Group>
      <div>
        <Text size="sm" fw={500} id={id}>
          How much may change?
        </Text>
        <Slider
          mt={8}
          aria-labelledby={id}
          thumbLabel="How much may change?"
          value={strength}
          min={0.05}
          max={1}
          step={0.05}
          onChange={setStrength}
        />
        <Text size="xs" c="dimmed" mt={8}>
          {strengthWords(strength)}
        </Text>
      </div>
      <Group justify="space-between" wrap="nowrap">
        <Text size="xs" c="dimmed">
          {isInSession
            ? "It becomes a branch of this picture; what is there stays."
            : "Its middle is used, in the size set."}
        </Text>
        <Group gap={8} wrap="nowrap">
          <Button variant="subtle" color="gray" onClick={forget}>
            Not now
          </Button>
          <Button loading={isGoing} onClick={() => void go()}>
            Start from it
          </Button>
        </Group>
      </Group>
    </Stack>
  );
}

/** An address for a file, as long as it is shown. */
function useAddress(file: File): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return url;
}
