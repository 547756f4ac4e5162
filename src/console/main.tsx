import { render } from "preact";
import { App } from "./shell/app.tsx";
import { announce } from "./state/announce.ts";
import { openSession } from "./state/session.ts";

addEventListener("unhandledrejection", ({ reason }) =>
  announce(`A defect of the console: ${String(reason)}`, "failed"),
);
addEventListener("error", ({ message }) => announce(`A defect of the console: ${message}`, "failed"));

const root = document.getElementById("console");
if (root === null) throw new Error("the page has no element for the console");
render(<App />, root);
void openSession();
