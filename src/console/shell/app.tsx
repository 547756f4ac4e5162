import { Loading } from "../components/feedback.tsx";
import { Notes } from "../components/notes.tsx";
import { session } from "../state/session.ts";
import { Shell } from "./shell.tsx";
import { SignInPage } from "./sign-in-page.tsx";

export function App() {
  const now = session.value;
  return (
    <>
      {now.state === "opening" && <Loading what="the service's settings" />}
      {now.state === "signedOut" && <SignInPage reason={now.reason} />}
      {/* A new session shows nothing of the one before. */}
      {now.state === "signedIn" && <Shell key={now.identity.id} />}
      <Notes />
    </>
  );
}
