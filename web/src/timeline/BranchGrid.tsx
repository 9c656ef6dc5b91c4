import { Text, UnstyledButton } from "@mantine/core";
import { pictures } from "../connection/http";
import { edit } from "../session/store";
import type { View } from "../session/view";
import classes from "./Compared.module.css";
import { branchName } from "./called";
import { compare } from "./comparing";
import { useStoryPart } from "./hooks";

/** The end of every branch. */
export function BranchGrid({ view }: { view: View }) {
  const names = useStoryPart("names");
  const { width, height } = view.place.settings;
  return (
    <div className={classes.grid}>
      {[...view.branches.values()].map(({ id, tip, name }) => {
        const called = branchName(id, name, names);
        return (
          <UnstyledButton
            key={id}
            className={classes.card}
            data-branch={id}
            data-open={id === view.place.branch || undefined}
            onClick={() => openBranch(id)}
          >
            <img
              src={pictures.image(view.session, tip, "png")}
              alt=""
              loading="lazy"
              style={{ aspectRatio: `${width} / ${height}` }}
            />
            <Text size="xs" truncate>
              {called}, step {view.nodes.get(tip)?.step ?? 0}
            </Text>
          </UnstyledButton>
        );
      })}
    </div>
  );
}

/** Go there, and see it on the stage. */
export function openBranch(branch: number): void {
  void edit({ kind: "open-branch", branch });
  compare(null);
}
