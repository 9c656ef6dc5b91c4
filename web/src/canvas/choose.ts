// Taking a tool: painting without a picture prepares one.

import { prepare } from "../session/actions";
import { useSession } from "../session/store";
import { type ToolName, useCanvas } from "./state";

export async function choose(tool: ToolName): Promise<void> {
  // who has erased and takes a lasso wants to paint with it
  useCanvas.setState(({ tool: former, erases }) => ({ tool, erases: erases && tool === former }));
  if (tool !== "hand" && useSession.getState().id === null && !(await prepare())) useCanvas.setState({ tool: "hand" });
}

/** Take the brush, to paint or to take away. */
export function chooseBrush(erases: boolean): void {
  void choose("brush");
  useCanvas.setState({ erases });
}
