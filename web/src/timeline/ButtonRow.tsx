import type { ReactNode } from "react";
import classes from "./ButtonRow.module.css";

/** Buttons side by side; large enough for a finger where there is one. */
export function ButtonRow({ children }: { children: ReactNode }) {
  return <div className={classes.buttons}>{children}</div>;
}
