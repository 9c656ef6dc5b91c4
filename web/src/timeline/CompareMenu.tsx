import { Button, Menu, Tooltip } from "@mantine/core";
import { IconColumns2, IconGridDots, IconLayoutGrid, IconTable } from "@tabler/icons-react";
import { useSession } from "../session/store";
import { compare } from "./comparing";
import { useStory } from "./hooks";
import type { Way } from "./strip";

const MOST_SHOWN = 5;

/** Ways to see several futures at once. */
export function CompareMenu({ way }: { way: Way }) {
  const { comparisons } = useStory();
  const count = useSession((state) => state.view?.branches.size ?? 0);
  return (
    <Menu position="top-end" withinPortal>
      <Menu.Target>
        <Tooltip label="See several futures of this picture side by side">
          <Button variant="subtle" color="gray" size="compact-sm" leftSection={<IconColumns2 size={16} />} id="compare">
            Compare
          </Button>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconTable size={14} />} onClick={() => compare({ page: "choose", step: here(way) })}>
          Try several settings ...
        </Menu.Item>
        <Menu.Item leftSection={<IconColumns2 size={14} />} onClick={() => compareTwo(way)}>
          Two states side by side
        </Menu.Item>
        <Menu.Item
          leftSection={<IconLayoutGrid size={14} />}
          disabled={count < 2}
          onClick={() => compareTwo(way, "grid")}
        >
          All branches
        </Menu.Item>
        {comparisons.length > 0 && <Menu.Label>Tried before</Menu.Label>}
        {comparisons
          .slice(-MOST_SHOWN)
          .reverse()
          .map(({ seq, step, choices }) => (
            <Menu.Item
              key={seq}
              leftSection={<IconGridDots size={14} />}
              onClick={() => compare({ page: "several", seq })}
            >
              {choices.length} pictures from step {step}
            </Menu.Item>
          ))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** The step to begin from: where it stands, unless all is done there. */
function here(way: Way): number {
  const step = useSession.getState().view?.place.step ?? way.first;
  return step >= way.last ? Math.max(way.first, Math.floor(way.last / 3)) : step;
}

/** What is looked at beside the end of another branch, or beside an earlier state where there is only one. */
function compareTwo(way: Way, manner: "slider" | "grid" = "slider"): void {
  const { view } = useSession.getState();
  if (!view) return;
  const { node, branch } = view.place;
  const other = [...view.branches.values()].filter((one) => one.id !== branch && one.tip !== node).at(-1);
  const half = way.states[Math.floor(way.states.length / 2)]?.id;
  compare({ page: "pair", manner, left: other?.tip ?? half ?? node, right: node });
}
