import { Button, Loader, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback, useIntersection } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useMemo, useState } from "react";
import { useSession } from "../session/store";
import classes from "./History.module.css";
import { HistoryRow } from "./HistoryRow";
import { readMore, refresh, searchFor, useSessions } from "./sessions";

/** All that was made here, the newest first. */
export function History() {
  const { items, total, isReading, problem, search } = useSessions();
  const current = useSession((state) => state.id);
  const status = useSession((state) => state.view?.place.status);
  const [words, setWords] = useState(search);
  const [withEmpty, setWithEmpty] = useState(false);
  const look = useDebouncedCallback(searchFor, 250);
  const now = useNow();

  // what is looked at has begun, ended or changed: its row is out of date
  // biome-ignore lint/correctness/useExhaustiveDependencies: they say when, not what
  useEffect(() => void refresh(), [current, status]);

  const [shown, empty] = useMemo(() => {
    const begun = items.filter((one) => one.num_states > 1 || one.id === current || isUnderWay(one.status));
    return [withEmpty ? items : begun, items.length - begun.length];
  }, [items, current, withEmpty]);
  const isAll = total !== null && items.length >= total;

  return (
    <div className={classes.history}>
      <TextInput
        aria-label="Search the history by words"
        placeholder="Search by words"
        leftSection={<IconSearch size={14} aria-hidden />}
        size="sm"
        value={words}
        onChange={(event) => {
          setWords(event.currentTarget.value);
          look(event.currentTarget.value.trim());
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || !words) return;
          event.preventDefault();
          setWords("");
          searchFor("");
        }}
      />
      {problem && (
        <Text size="xs" role="alert" px={4}>
          {problem}{" "}
          <Button variant="subtle" size="compact-xs" onClick={() => void refresh()}>
            Try again
          </Button>
        </Text>
      )}
      {shown.length > 0 && (
        <ul className={classes.list} aria-label="Pictures made here">
          {shown.map((one) => (
            <HistoryRow key={one.id} session={one} isCurrent={one.id === current} now={now} />
          ))}
        </ul>
      )}
      {isAll && shown.length === 0 && !problem && (
        <Text size="sm" c="dimmed" ta="center" py="lg">
          {search ? "No picture was made with these words." : "Every picture you make is kept here."}
        </Text>
      )}
      {!isAll && !problem && <More key={items.length} isReading={isReading} />}
      {isAll && empty > 0 && (
        <Button variant="subtle" color="gray" size="compact-xs" onClick={() => setWithEmpty(!withEmpty)}>
          {withEmpty ? "Hide what was never begun" : `Show ${empty} that ${empty === 1 ? "was" : "were"} never begun`}
        </Button>
      )}
    </div>
  );
}

/** Reads the next page as soon as it can be seen. */
function More({ isReading }: { isReading: boolean }) {
  const { ref, entry } = useIntersection({ rootMargin: "300px" });
  useEffect(() => {
    if (entry?.isIntersecting && !isReading) void readMore();
  }, [entry, isReading]);
  return (
    <div ref={ref} className={classes.more}>
      <Loader size={16} role="status" aria-label="More is being read" />
    </div>
  );
}

/** The time in seconds, now and then. */
function useNow(): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() / 1000), 30_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function isUnderWay(status: string): boolean {
  return status === "running" || status === "waiting" || status === "opening";
}
