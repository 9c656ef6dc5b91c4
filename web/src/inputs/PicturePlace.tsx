import { Button, Text } from "@mantine/core";
import { IconPhotoUp } from "@tabler/icons-react";
import { type DragEvent, type ReactNode, useState } from "react";
import { chooseFile } from "../canvas/chooseFile";
import { pictures } from "../connection/http";
import { useIncoming } from "../library/dropped";
import { useSession } from "../session/store";
import classes from "./Inputs.module.css";

interface PicturePlaceProps {
  /** What the button says. */
  label: string;
  accept: string;
  /** Whether what is shown is a picture, and can be seen as one. */
  isSeen?: boolean;
  onFile(file: File): Promise<void>;
  children: ReactNode;
}

export const PICTURES = "image/png,image/jpeg,image/webp";

/** A place that a picture is chosen for or dropped onto; it shows the one that the model is shown. */
export function PicturePlace({ label, accept, isSeen = true, onFile, children }: PicturePlaceProps) {
  const session = useSession(({ view }) => view?.session);
  const shown = useSession(({ view }) => view?.place.settings.shown ?? null);
  const [isOver, setOver] = useState(false);
  const [isTaking, setTaking] = useState(false);

  async function take(file: File | null | undefined) {
    if (!file) return;
    setTaking(true);
    await onFile(file);
    setTaking(false);
  }

  function drop(event: DragEvent) {
    event.preventDefault(); // it is for this place, and nobody is asked about it
    setOver(false);
    useIncoming.setState({ isOver: false });
    void take(event.dataTransfer.files[0]);
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same for those who drop nothing
    <div
      className={classes.place}
      data-over={isOver || undefined}
      onDragOver={() => setOver(true)}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {isSeen && session && shown && (
        <img className={classes.given} src={pictures.shown(session, shown)} alt="What the model is shown" />
      )}
      <div>
        <Button
          size="xs"
          variant="light"
          leftSection={<IconPhotoUp size={14} />}
          loading={isTaking}
          onClick={() => void chooseFile(accept).then(take)}
        >
          {label}
        </Button>
        <Text size="xs" c="dimmed" mt={4}>
          {children}
        </Text>
      </div>
    </div>
  );
}
