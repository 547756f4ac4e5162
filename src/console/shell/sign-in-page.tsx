import { useEffect, useState } from "preact/hooks";
import { Button } from "../components/button.tsx";
import { Message, sentence } from "../components/feedback.tsx";
import { TextField } from "../components/field.tsx";
import { signIn } from "../state/session.ts";

/** @param reason why the session before has ended; null: there was none, or the reader ended it. */
export function SignInPage({ reason }: { readonly reason: string | null }) {
  const [key, setKey] = useState("");
  const [refusal, setRefusal] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => {
    document.title = "Sign in · mnemosync console";
  }, []);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const given = key.trim();
    if (given === "") return setRefusal("Enter a key. It begins with mns_.");
    if (isBusy) return;
    setIsBusy(true);
    setRefusal(null);
    const refused = await signIn(given);
    // Where it was taken, this page is not shown any more.
    setIsBusy(false);
    if (refused !== null) setRefusal(sentence(refused));
  }

  return (
    <main class="sign-in">
      <h1>mnemosync console</h1>
      {reason !== null && (
        <Message kind="warning">
          <p>{sentence(reason)}</p>
        </Message>
      )}
      {/* Sent by script only; the field has no name, so that no browser puts the key into an address. */}
      <form class="stack" method="post" onSubmit={(event) => void submit(event)}>
        <TextField
          label="Service key"
          type="password"
          value={key}
          onInput={setKey}
          isCode
          error={refusal}
          hint="Kept in this page's memory until you sign out or close it. Without the scope admin the console is read-only."
        />
        <div role="alert" class="for-screen-readers">
          {refusal}
        </div>
        <Button type="submit" look="primary" isBusy={isBusy}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
