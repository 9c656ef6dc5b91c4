import { ActionIcon, Button, Group, Menu, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconDots, IconPencil, IconTrash } from "@tabler/icons-react";
import { memo, useRef, useState } from "react";
import { pictures, type SessionItem } from "../connection/http";
import { useFrames } from "../session/frames";
import { open } from "../session/store";
import classes from "./History.module.css";
import { focusNeighbour, useReturnFocus } from "./returnFocus";
import { remove, rename } from "./sessions";
import { ago, statesWords, statusWords, titleWords } from "./words";

interface RowProps {
  session: SessionItem;
  isCurrent: boolean;
  /** Seconds since 1970. */
  now: number;
}

/** One session: what it looks like, what it is called, and how it is doing. */
export const HistoryRow = memo(function HistoryRow({ session, isCurrent, now }: RowProps) {
  const [doing, setDoing] = useState<"nothing" | "renaming" | "deleting">("nothing");
  const title = titleWords(session.title);
  const rest = () => setDoing("nothing");
  const row = useReturnFocus<HTMLLIElement>(doing === "nothing");
  const isEmpty = session.num_states <= 1;
  return (
    <li
      ref={row}
      className={classes.row}
      data-current={isCurrent || undefined}
      data-empty={(isEmpty && !isCurrent) || undefined}
    >
      {isCurrent ? <LiveThumbnail session={session} /> : <Thumbnail session={session} />}
      {doing === "renaming" && <Rename session={session} onDone={rest} />}
      {doing === "deleting" && <Delete session={session} title={title} onDone={rest} />}
      {doing === "nothing" && (
        <>
          <UnstyledButton
            className={classes.open}
            onClick={() => !isCurrent && open(session.id)}
            aria-current={isCurrent || undefined}
          >
            <Text size="sm" lineClamp={2} className={classes.title} title={title}>
              {title}
            </Text>
            <Text size="xs" c="dimmed" truncate mt={2}>
              {statusWords(session.status, session.waiting)}
              {" · "}
              {statesWords(session.num_states)}
            </Text>
            <Text size="xs" c="dimmed" truncate>
              {session.updated !== null && `${ago(session.updated, now)} · `}
              {session.model}
            </Text>
          </UnstyledButton>
          <Menu position="bottom-end" withinPortal shadow="md">
            <Menu.Target>
              <ActionIcon className={classes.menu} aria-label={`More about "${title}"`}>
                <IconDots size={16} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconPencil size={14} />} onClick={() => setDoing("renaming")}>
                Rename
              </Menu.Item>
              <Menu.Item leftSection={<IconTrash size={14} />} color="red" onClick={() => setDoing("deleting")}>
                Delete
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      )}
    </li>
  );
});

function Thumbnail({ session }: { session: SessionItem }) {
  const { id, num_states } = session;
  const [missing, setMissing] = useState<number | null>(null);
  // another number of states is another picture, whatever the browser has kept
  const url = `${pictures.thumbnail(id)}?states=${num_states}`;
  return (
    <div className={classes.thumbnail}>
      {num_states > 1 && missing !== num_states && (
        <img src={url} alt="" loading="lazy" decoding="async" onError={() => setMissing(num_states)} />
      )}
    </div>
  );
}

/** The session that is looked at is shown as it is now. */
function LiveThumbnail({ session }: { session: SessionItem }) {
  const url = useFrames((state) => state.newest?.url);
  if (!url) return <Thumbnail session={session} />;
  return (
    <div className={classes.thumbnail}>
      <img src={url} alt="" />
    </div>
  );
}

function Rename({ session, onDone }: { session: SessionItem; onDone(): void }) {
  const [title, setTitle] = useState(session.title);
  function keep() {
    const wanted = title.trim();
    if (wanted && wanted !== session.title) void rename(session.id, wanted);
    onDone();
  }
  return (
    <TextInput
      aria-label="Its new name"
      size="sm"
      flex={1}
      value={title}
      maxLength={200}
      autoFocus
      onFocus={(event) => event.currentTarget.select()}
      onChange={(event) => setTitle(event.currentTarget.value)}
      onBlur={keep}
      onKeyDown={(event) => {
        if (event.key === "Enter") {
          event.preventDefault(); // it would press the button that gets the focus
          keep();
        }
        if (event.key === "Escape") {
          event.stopPropagation();
          onDone();
        }
      }}
    />
  );
}

function Delete({ session, title, onDone }: { session: SessionItem; title: string; onDone(): void }) {
  const [isGoing, setGoing] = useState(false);
  const question = useRef<HTMLDivElement>(null);
  async function go() {
    setGoing(true);
    focusNeighbour(question.current?.closest("li"));
    await remove(session.id);
    onDone();
  }
  return (
    <div ref={question} className={classes.sure} role="alertdialog" aria-label={`Delete "${title}"?`}>
      <Text size="sm">Delete it, with all its states?</Text>
      <Group gap={8}>
        <Button size="compact-sm" color="red" variant="light" loading={isGoing} onClick={() => void go()}>
          Delete
        </Button>
        <Button size="compact-sm" variant="subtle" color="gray" onClick={onDone} autoFocus>
          Keep it
        </Button>
      </Group>
    </div>
  );
}
