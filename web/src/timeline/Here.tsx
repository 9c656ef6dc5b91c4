import { Text } from "@mantine/core";
import { IconBookmark, IconGitBranch } from "@tabler/icons-react";
import { memo } from "react";
import { IconAction } from "../parts/Section";
import { edit, useSession } from "../session/store";
import { ButtonRow } from "./ButtonRow";
import { branchName } from "./called";
import { ask } from "./comparing";
import classes from "./Here.module.css";
import { useStoryPart } from "./hooks";

/** Beside the strip: which branch it shows, and what can be done where it stands. */
export const Here = memo(({ branch }: { branch: number }) => {
  const name = useSession((state) => state.view?.branches.get(branch)?.name);
  const names = useStoryPart("names");
  const called = branchName(branch, name, names);
  return (
    <div className={classes.beside}>
      <Text size="xs" fw={600} truncate title={called}>
        {called}
      </Text>
      <ButtonRow>
        <IconAction
          label="Begin a branch here"
          tip="Begin a branch here: what is made from now on gets a future of its own, and this one stays"
          onClick={() => void edit({ kind: "branch-off" })}
        >
          <IconGitBranch size={16} />
        </IconAction>
        <IconAction label="Give this state a name" onClick={nameState}>
          <IconBookmark size={16} />
        </IconAction>
      </ButtonRow>
    </div>
  );
});

function nameState(): void {
  const node = useSession.getState().view?.place.node;
  if (node !== undefined) ask({ what: "name-state", node });
}
