import { Tabs } from "@mantine/core";
import { Area } from "../canvas/Area";
import { Stage } from "../canvas/Stage";
import { ShownPanel } from "../inputs/ShownPanel";
import { History } from "../library/History";
import { Presets } from "../library/Presets";
import { Welcome } from "../library/Welcome";
import { PromptPanel } from "../prompt/PromptPanel";
import { SettingsPanel } from "../prompt/SettingsPanel";
import { RegionsPanel } from "../regions/RegionsPanel";
import { useSession } from "../session/store";
import { Events } from "../timeline/Events";
import { Timeline } from "../timeline/Timeline";
import classes from "./App.module.css";
import { NoAccess } from "./NoAccess";
import { Pages } from "./Pages";
import { TopBar } from "./TopBar";

/** The whole page: words on the left, the picture in the middle, its states below, what was made on the right. */
export function App() {
  const link = useSession((state) => state.link);
  const isFirst = useSession((state) => state.id === null);
  if (link === "no-access") return <NoAccess />;
  return (
    <div className={classes.studio} data-first={isFirst || undefined}>
      <TopBar />
      <aside className={classes.left} aria-label="Prompt, regions and settings">
        <div className={classes.words}>
          <PromptPanel />
          <ShownPanel />
        </div>
        <div className={classes.more}>
          <RegionsPanel />
          <SettingsPanel />
        </div>
      </aside>
      <main className={classes.middle} aria-label="The picture">
        <Stage empty={<Welcome />} />
      </main>
      <footer className={classes.bottom}>
        <Timeline />
      </footer>
      <aside className={classes.right} aria-label="Areas, events, history and presets">
        <Tabs defaultValue="area" keepMounted={false} classNames={{ list: classes.tabs, tab: classes.tab }}>
          <Tabs.List grow>
            <Tabs.Tab value="area">Area</Tabs.Tab>
            <Tabs.Tab value="events">Events</Tabs.Tab>
            <Tabs.Tab value="history">History</Tabs.Tab>
            <Tabs.Tab value="presets">Presets</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="area">
            <Area />
          </Tabs.Panel>
          <Tabs.Panel value="events">
            <Events />
          </Tabs.Panel>
          <Tabs.Panel value="history">
            <History />
          </Tabs.Panel>
          <Tabs.Panel value="presets">
            <Presets />
          </Tabs.Panel>
        </Tabs>
      </aside>
      <Pages />
    </div>
  );
}
