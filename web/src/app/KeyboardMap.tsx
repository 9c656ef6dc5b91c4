import { Kbd, Text } from "@mantine/core";
import { Fragment } from "react";
import { type Binding, useBindings } from "../parts/keyboard";
import { caps } from "../parts/keys";
import classes from "./Pages.module.css";

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);

const FIRST = ["Words", "Picture", "Timeline"];

/** All keys that do something, by what they concern. */
export function KeyboardMap() {
  const groups = grouped(useBindings());
  return (
    <div className={classes.groups}>
      {groups.map(([group, lines]) => (
        <section key={group} className={classes.group} aria-label={group}>
          <Text component="h3" size="sm" fw={600} mb={4}>
            {group}
          </Text>
          <dl className={classes.keys}>
            {lines.map(([label, keys]) => (
              <Fragment key={label}>
                <dt>
                  {keys.map((key, index) => (
                    <Fragment key={key}>
                      {index > 0 && <span className={classes.or}>or</span>}
                      {caps(key, IS_MAC).map((cap) => (
                        <Kbd key={cap} size="xs">
                          {cap}
                        </Kbd>
                      ))}
                    </Fragment>
                  ))}
                </dt>
                <dd>{label}</dd>
              </Fragment>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

/** By group and label: two keys for one thing stand on one line. */
function grouped(bindings: readonly Binding[]): [string, [string, string[]][]][] {
  const groups = new Map<string, Map<string, string[]>>();
  for (const { group, label, key } of bindings) {
    const lines = groups.get(group) ?? new Map<string, string[]>();
    const keys = lines.get(label) ?? [];
    if (!keys.includes(key)) keys.push(key);
    groups.set(group, lines.set(label, keys));
  }
  const place = (group: string) => (FIRST.includes(group) ? FIRST.indexOf(group) : FIRST.length);
  const inOrder = [...groups].sort(([one], [other]) => place(one) - place(other));
  return inOrder.map(([group, lines]) => [group, [...lines]]);
}
