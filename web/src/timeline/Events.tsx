import { Button, SegmentedControl, Text, UnstyledButton } from "@mantine/core";
import { memo, useMemo, useState } from "react";
import { edit, useSession } from "../session/store";
import classes from "./Events.module.css";
import type { Entry } from "./entries";
import { useStory } from "./hooks";

const PAGE = 150;

/** What has happened, in words, the newest first. */
export function Events() {
  const story = useStory();
  const view = useSession((state) => state.view);
  const [shown, setShown] = useState<"changes" | "all">("changes");
  const [most, setMost] = useState(PAGE);
  const listed = useMemo(() => story.entries.filter((one) => shown === "all" || !one.plain).reverse(), [story, shown]);
  const here = view ? listed.find((one) => one.node === view.place.node)?.seq : undefined;
  if (!view || story.entries.length === 0)
    return (
      <Text size="sm" c="dimmed" p="md">
        What you change, and at which step it took effect, is written down here.
      </Text>
    );
  return (
    <div className={classes.events}>
      <SegmentedControl
        className={classes.filter}
        size="xs"
        fullWidth
        aria-label="What is listed"
        data={[
          { value: "changes", label: "What changed" },
          { value: "all", label: "Every step" },
        ]}
        value={shown}
        onChange={(value) => setShown(value as "changes" | "all")}
      />
      <ol className={classes.list} reversed aria-label="What has happened">
        {listed.slice(0, most).map((entry) => (
          <Line key={entry.seq} {...entry} isHere={entry.seq === here} isThere={isThere(view.nodes, entry)} />
        ))}
      </ol>
      {listed.length > most && (
        <Button variant="subtle" color="gray" size="compact-sm" m="xs" onClick={() => setMost(most + PAGE)}>
          Show earlier ones
        </Button>
      )}
    </div>
  );
}

function isThere(nodes: ReadonlyMap<number, unknown>, { node }: Entry): boolean {
  return node !== null && nodes.has(node);
}

interface LineProps extends Entry {
  /** Whether it is the last that happened to the state that is looked at. */
  isHere: boolean;
  /** Whether its state is still there to be opened. */
  isThere: boolean;
}

/** One event; a click goes to its state. */
const Line = memo(({ seq, at, kind, text, node, isHere, isThere }: LineProps) => (
  <li data-seq={seq} data-kind={kind}>
    <UnstyledButton
      className={classes.line}
      data-here={isHere || undefined}
      disabled={!isThere}
      title={isThere ? "Go to this state" : undefined}
      onClick={() => node !== null && void edit({ kind: "open-node", node })}
    >
      <span className={classes.dot} aria-hidden />
      <span className={classes.text}>{text}</span>
      <time className={classes.time} dateTime={new Date(at * 1000).toISOString()}>
        {CLOCK.format(at * 1000)}
      </time>
    </UnstyledButton>
  </li>
));

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
