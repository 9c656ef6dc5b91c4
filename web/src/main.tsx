import "./app/styles";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { readableColours, theme } from "./app/theme";
import { listenForKeys } from "./parts/keyboard";
import { followSession } from "./session/followed";
import { followServer, readModels } from "./session/models";
import { connect } from "./session/store";

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
// for the style tags of what locks scrolling under a dialog
Object.assign(globalThis, { __webpack_nonce__: nonce });

followSession();
listenForKeys();
connect();
void readModels();
followServer();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        cssVariablesResolver={readableColours}
        getStyleNonce={() => nonce}
      >
        <App />
        <Notifications position="top-center" limit={4} />
      </MantineProvider>
    </StrictMode>,
  );
}
