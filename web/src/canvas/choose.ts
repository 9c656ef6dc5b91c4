// Taking a tool: painting without a picture prepares one.

import { prepare } from "../session/actions";
import { useSession } from "../session/store";
import { type ToolName, useCanvas } from "./state";

export async function choose(tool: ToolName): Promise<void> {
  useCanvas.setState({ tool });
  if (tool !== "hand" && useSession.getState().id === null && !(await prepare())) useCanvas.setState({ tool: "hand" });
}

/** Take the brush, to paint or to take away. */
export function chooseBrush(erases: boolean): void {
  useCanvas.setState({ erases });
  void choose("brush");
}
