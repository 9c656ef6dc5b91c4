import { Text } from "@mantine/core";
import { IconBookmark, IconGitBranch } from "@tabler/icons-react";
import { IconAction } from "../app/Section";
import { edit, useSession } from "../session/store";
import { ask } from "./comparing";
import { useStory } from "./hooks";
import type { Way } from "./strip";
import classes from "./Timeline.module.css";
import { branchName } from "./words";

/** Beside the strip: which branch it shows, and what can be done where it stands. */
export function Here({ way }: { way: Way }) {
  const branch = useSession((state) => state.view?.branches.get(way.branch)?.name);
  const node = useSession((state) => state.view?.place.node);
  const { names } = useStory();
  const called = branchName(way.branch, branch, names);
  return (
    <div className={classes.beside}>
      <Text size="xs" fw={600} truncate title={called}>
        {called}
      </Text>
      <div className={classes.buttons}>
        <IconAction
          label="Begin a branch here"
          tip="Begin a branch here: what is made from now on gets a future of its own, and this one stays"
          onClick={() => void edit({ kind: "branch-off" })}
        >
          <IconGitBranch size={16} />
        </IconAction>
        <IconAction
          label="Give this state a name"
          onClick={() => node !== undefined && ask({ what: "name-state", node })}
        >
          <IconBookmark size={16} />
        </IconAction>
      </div>
    </div>
  );
}
