// The stage's keys.

import { bind } from "../parts/keyboard";
import { choose, chooseBrush } from "./choose";
import { hardenBrush, resizeBrush, useCanvas } from "./state";
import { redo, undo } from "./undoing";
import { fitView, zoomBy, zoomTo } from "./view";

const PAINT = "Paint";
const LOOK = "Look";

export function bindStageKeys(): () => void {
  const keys: [string, string, string, (() => void) | null][] = [
    ["v", "Move the picture", PAINT, () => void choose("hand")],
    ["b", "Brush", PAINT, () => chooseBrush(false)],
    ["e", "Eraser", PAINT, () => chooseBrush(true)],
    ["r", "Rectangle", PAINT, () => void choose("rectangle")],
    ["l", "Lasso", PAINT, () => void choose("lasso")],
    ["g", "Fill", PAINT, () => void choose("fill")],
    ["x", "Swap painting and erasing", PAINT, () => useCanvas.setState(({ erases }) => ({ erases: !erases }))],
    ["[", "Smaller brush", PAINT, () => resizeBrush(-1)],
    ["]", "Larger brush", PAINT, () => resizeBrush(1)],
    ["{", "Softer brush", PAINT, () => hardenBrush(-1)],
    ["}", "Harder brush", PAINT, () => hardenBrush(1)],
    ["Mod+z", "Undo", PAINT, undo],
    ["Mod+Shift+z", "Redo", PAINT, redo],
    ["Space", "Hold and drag to move the picture", LOOK, null],
    ["0", "As large as fits", LOOK, fitView],
    ["1", "Own size", LOOK, () => zoomTo(1)],
    ["+", "Nearer", LOOK, () => zoomBy(1.25)],
    ["=", "Nearer", LOOK, () => zoomBy(1.25)],
    ["-", "Farther", LOOK, () => zoomBy(0.8)],
    ["o", "Show or hide what is painted", LOOK, () => useCanvas.setState(({ overlay }) => ({ overlay: !overlay }))],
  ];
  const stops = keys.map(([key, label, group, run]) => bind(key, label, group, run));
  return () => {
    for (const stop of stops) stop();
  };
}
