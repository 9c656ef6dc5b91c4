import { Button } from "@mantine/core";
import { type PointerEvent, useCallback, useEffect, useRef, useState } from "react";
import { useCanvas } from "../canvas/state";
import { bringIntoSight } from "../parts/intoSight";
import { moveRegion, orderNow, type Removed, removeRegion, restoreRegion, useRegions } from "./edit";
import { RegionRow } from "./RegionRow";
import classes from "./Regions.module.css";

const UNDO_TIME = 12_000;

/** The regions, the uppermost first, as they lie on each other. */
export function RegionList() {
  const regions = useRegions();
  const active = useCanvas((state) => state.active);
  const list = useRef<HTMLUListElement>(null);
  const [drop, setDrop] = useState<{ id: string; gap: number } | null>(null);
  const [removed, setRemoved] = useState<Removed | null>(null);
  const shown = [...regions].reverse();

  useEffect(() => {
    const timer = removed && setTimeout(() => setRemoved(null), UNDO_TIME);
    return () => clearTimeout(timer ?? undefined);
  }, [removed]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another one was chosen
  useEffect(() => bringIntoSight(list.current, list.current?.querySelector("[data-active]")), [active]);

  const grab = useCallback((event: PointerEvent<HTMLElement>, id: string) => {
    const handle = event.currentTarget;
    handle.setPointerCapture(event.pointerId);
    const rows = () => [...(list.current?.children ?? [])].map((row) => row.getBoundingClientRect());
    let gap: number | null = null;
    const moved = (next: globalThis.PointerEvent) => {
      gap = rows().filter((row) => row.top + row.height / 2 < next.clientY).length;
      setDrop({ id, gap });
    };
    const released = (end: globalThis.PointerEvent) => {
      handle.removeEventListener("pointermove", moved);
      handle.removeEventListener("pointerup", released);
      handle.removeEventListener("pointercancel", released);
      setDrop(null);
      if (end.type === "pointerup" && gap !== null) moveRegion(id, placeOf(id, gap));
    };
    handle.addEventListener("pointermove", moved);
    handle.addEventListener("pointerup", released);
    handle.addEventListener("pointercancel", released);
  }, []);

  const move = useCallback((id: string, way: 1 | -1) => {
    moveRegion(id, orderNow().indexOf(id) - way);
  }, []);

  const remove = useCallback(async (id: string) => setRemoved(await removeRegion(id)), []);

  return (
    <>
      {shown.length > 0 && (
        <ul className={classes.list} ref={list}>
          {shown.map((region, index) => (
            <RegionRow
              key={region.id}
              region={region}
              number={regions.length - index}
              isActive={region.id === active}
              drop={dropAt(drop?.gap, index, shown.length)}
              onGrab={grab}
              onMove={move}
              onRemove={remove}
            />
          ))}
        </ul>
      )}
      {removed && (
        <div className={classes.undo} role="status">
          A region was deleted.
          <Button
            size="compact-sm"
            variant="subtle"
            onClick={() => {
              setRemoved(null);
              void restoreRegion(removed);
            }}
          >
            Bring it back
          </Button>
        </div>
      )}
    </>
  );
}

/** The place among the regions, the lowest first, for a gap of the list, counted from its top. */
function placeOf(id: string, gap: number): number {
  const ids = orderNow();
  const from = ids.length - 1 - ids.indexOf(id);
  const above = gap > from ? gap - 1 : gap;
  return ids.length - 1 - above;
}

function dropAt(gap: number | undefined, index: number, length: number): "before" | "after" | null {
  if (gap === index) return "before";
  return gap === length && index === length - 1 ? "after" : null;
}
