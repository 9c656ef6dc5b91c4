import { Button, Menu, Tooltip } from "@mantine/core";
import { IconColumns2, IconGridDots, IconLayoutGrid, IconTable } from "@tabler/icons-react";
import { memo } from "react";
import { useSession } from "../session/store";
import { compare } from "./comparing";
import { useStoryPart } from "./hooks";
import { wayOf } from "./strip";
import classes from "./Transport.module.css";

const MOST_SHOWN = 5;

/** Ways to see several futures at once. */
export const CompareMenu = memo(() => {
  const comparisons = useStoryPart("comparisons");
  const count = useSession((state) => state.view?.branches.size ?? 0);
  return (
    <Menu position="top-end" withinPortal>
      <Menu.Target>
        <Tooltip label="See several futures of this picture side by side">
          <Button
            variant="subtle"
            color="gray"
            size="compact-sm"
            leftSection={<IconColumns2 size={16} />}
            id="compare"
            aria-label="Compare"
            className={classes.button}
            classNames={{ label: classes.label, section: classes.section }}
          >
            Compare
          </Button>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconTable size={14} />} onClick={choose}>
          Try several settings ...
        </Menu.Item>
        <Menu.Item leftSection={<IconColumns2 size={14} />} onClick={() => compareTwo()}>
          Two states side by side
        </Menu.Item>
        <Menu.Item leftSection={<IconLayoutGrid size={14} />} disabled={count < 2} onClick={() => compareTwo("grid")}>
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
});

/** From where it stands, unless all is done there. */
function choose(): void {
  const { view } = useSession.getState();
  if (!view) return;
  const { first, last } = wayOf(view);
  const { step } = view.place;
  compare({ page: "choose", step: step >= last ? Math.max(first, Math.floor(last / 3)) : step });
}

/** What is looked at beside the end of another branch, or beside an earlier state where there is only one. */
function compareTwo(manner: "slider" | "grid" = "slider"): void {
  const { view } = useSession.getState();
  if (!view) return;
  const { node, branch } = view.place;
  const other = [...view.branches.values()].filter((one) => one.id !== branch && one.tip !== node).at(-1);
  const { states } = wayOf(view);
  const half = states[Math.floor(states.length / 2)]?.id;
  compare({ page: "pair", manner, left: other?.tip ?? half ?? node, right: node });
}
