import { change, useControl } from "../session/actions";
import { ClassSelect } from "./ClassSelect";
import { escaped } from "./escaping";
import { classIn } from "./reading";

/** What the picture shows, for a model that knows classes: one of them in place of words; live while it forms. */
export function ClassChoice({ classes }: { classes: string[] }) {
  const said = useControl("prompt");
  const chosen = classIn(said, { classes });

  function say(number: number | null) {
    const name = number === null ? "" : (classes[number] ?? "");
    // of several with one name, all but the first are called by their number
    void change("prompt", number === null || classes.indexOf(name) === number ? escaped(name) : String(number));
  }

  return (
    <ClassSelect
      id="prompt"
      label="What should it show?"
      placeholder="type to find a class"
      description={`This model knows ${classes.length} classes: one of them, from the next step on.`}
      inputWrapperOrder={["label", "input", "description", "error"]}
      names={classes}
      value={chosen === null ? null : numberOf(said, chosen, classes)}
      clearable
      clearButtonProps={{ "aria-label": "Choose no class" }}
      onChange={say}
    />
  );
}

function numberOf(said: string, name: string, classes: string[]): number {
  const number = Number(said);
  return said.trim() !== "" && classes[number] === name ? number : classes.indexOf(name);
}
