import { Tooltip } from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconArrowsExchange,
  IconBrush,
  IconBucketDroplet,
  IconEraser,
  IconHandStop,
  IconLasso,
  IconRectangle,
  IconSquarePlus,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import { IconAction } from "../parts/Section";
import { useRegions } from "../regions/edit";
import { useToldModel } from "../session/models";
import { useSession } from "../session/store";
import { BrushSettings } from "./BrushSettings";
import { choose, chooseBrush } from "./choose";
import { colourOf, useLayers } from "./layers";
import { MaskMenu } from "./MaskMenu";
import classes from "./Stage.module.css";
import { useSlots } from "./slots";
import { AREA, CHANGE, HOLE, MAP, type ToolName, useCanvas } from "./state";
import { redo, undo, useUndoable } from "./undoing";

/** Tools for what is painted, at the stage's edge. */
export function ToolBar() {
  const tool = useCanvas((state) => state.tool);
  const erases = useCanvas((state) => state.erases);
  const live = useSession((state) => state.view !== null);
  const { canUndo, canRedo } = useUndoable();
  const draws = useToldModel()?.reads === "layout";
  const choice = (name: ToolName, label: string, tip: string, icon: ReactNode) => (
    <IconAction label={label} tip={tip} active={tool === name} onClick={() => void choose(name)}>
      {icon}
    </IconAction>
  );
  return (
    <div className={classes.tools} role="toolbar" aria-label="Tools" aria-orientation="vertical">
      {live && <Target />}
      {choice("hand", "Move the picture", "Move the picture (V, or hold Space)", <IconHandStop size={18} />)}
      <IconAction
        label="Brush"
        tip="Paint where something acts (B). Shift draws straight lines, Alt or the right button takes away."
        active={tool === "brush" && !erases}
        onClick={() => chooseBrush(false)}
      >
        <IconBrush size={18} />
      </IconAction>
      <IconAction
        label="Eraser"
        tip="Take away what was painted (E)"
        active={tool === "brush" && erases}
        onClick={() => chooseBrush(true)}
      >
        <IconEraser size={18} />
      </IconAction>
      {choice("rectangle", "Rectangle", "Fill a rectangle (R)", <IconRectangle size={18} />)}
      {choice("lasso", "Lasso", "Fill what a line goes around (L)", <IconLasso size={18} />)}
      {draws && choice("box", "Box", "Draw a box for a thing (D)", <IconSquarePlus size={18} />)}
      {choice("fill", "Fill", "Fill what is connected (G)", <IconBucketDroplet size={18} />)}
      <div className={classes.gap} />
      <IconAction
        label="Swap painting and erasing"
        tip={erases ? "Tools take away now (X)" : "Tools add now (X)"}
        active={erases}
        onClick={() => useCanvas.setState({ erases: !erases })}
      >
        <IconArrowsExchange size={18} />
      </IconAction>
      <BrushSettings />
      {live && (
        <>
          <MaskMenu />
          <div className={classes.gap} />
          <IconAction label="Undo" tip="Undo (Ctrl-Z)" onClick={undo} disabled={!canUndo}>
            <IconArrowBackUp size={18} />
          </IconAction>
          <IconAction label="Redo" tip="Redo (Ctrl-Shift-Z)" onClick={redo} disabled={!canRedo}>
            <IconArrowForwardUp size={18} />
          </IconAction>
        </>
      )}
    </div>
  );
}

const OWN_NAMES: Record<string, string> = {
  [AREA]: "the chosen area",
  [CHANGE]: "how much may change",
  [MAP]: "the map",
  [HOLE]: "where to draw",
};

/** What tools paint on now. */
function Target() {
  const active = useCanvas((state) => state.active);
  const regions = useRegions();
  useLayers((state) => state.places);
  useSlots();
  if (active === null) return null;
  const region = regions.find((one) => one.id === active);
  const name = OWN_NAMES[active] ?? (region?.name || region?.prompt || "a new region");
  return (
    <Tooltip label={`Painting: ${name}`} position="right">
      <div
        className={classes.swatch}
        role="img"
        aria-label={`Painting: ${name}`}
        style={{ background: colourOf(active), marginBlock: 6 }}
      />
    </Tooltip>
  );
}
