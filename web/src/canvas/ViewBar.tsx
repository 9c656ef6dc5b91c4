import { Button } from "@mantine/core";
import { IconEye, IconEyeOff, IconGrain, IconMaximize, IconMinus, IconPlus } from "@tabler/icons-react";
import { IconAction } from "../parts/Section";
import classes from "./Stage.module.css";
import { useCanvas } from "./state";
import { fitView, useView, zoomBy, zoomTo } from "./view";

const STEP = 1.25;

/** How the picture is looked at. */
export function ViewBar() {
  const percent = useView((state) => Math.round(100 * state.view.zoom));
  const isFit = useView((state) => state.isFit);
  const smooth = useCanvas((state) => state.smooth);
  const overlay = useCanvas((state) => state.overlay);
  return (
    <div className={classes.bar} role="toolbar" aria-label="View">
      <IconAction
        label={overlay ? "Hide what is painted" : "Show what is painted"}
        tip="Show the regions over the picture, or the picture alone (O)"
        onClick={() => useCanvas.setState({ overlay: !overlay })}
      >
        {overlay ? <IconEye size={18} /> : <IconEyeOff size={18} />}
      </IconAction>
      <IconAction
        label={smooth ? "Show every pixel as a square" : "Show the picture smooth"}
        onClick={() => useCanvas.setState({ smooth: !smooth })}
        active={!smooth}
      >
        <IconGrain size={18} />
      </IconAction>
      <IconAction label="Smaller" tip="Zoom out (-)" onClick={() => zoomBy(1 / STEP)}>
        <IconMinus size={18} />
      </IconAction>
      <Button
        variant="subtle"
        color="gray"
        size="compact-sm"
        miw={60}
        px={6}
        onClick={() => zoomTo(1)}
        title="Own size (1)"
      >
        {percent} %
      </Button>
      <IconAction label="Larger" tip="Zoom in (+)" onClick={() => zoomBy(STEP)}>
        <IconPlus size={18} />
      </IconAction>
      <IconAction label="Fit into the page" tip="As large as fits (0)" onClick={fitView} active={isFit}>
        <IconMaximize size={18} />
      </IconAction>
    </div>
  );
}
