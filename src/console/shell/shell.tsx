import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../components/button.tsx";
import { EmptyState } from "../components/feedback.tsx";
import type { Page } from "../page-props.ts";
import { PAGES } from "../pages.ts";
import { go, linkTo, place } from "../state/router.ts";
import { serviceVersion, signedIn, signOut } from "../state/session.ts";
import { Appearance } from "./appearance.tsx";
import { Navigation } from "./navigation.tsx";
import { PageBoundary } from "./page-boundary.tsx";
import { missingRight } from "./rights.ts";

/** What is around every page: the name, the navigation, the reader's key; and the page that the address names. */
export function Shell() {
  const { identity, keyed } = signedIn.value;
  const { page: name, path, query } = place.value;
  const page = PAGES.find((candidate) => candidate.name === name);
  const [isOpen, setIsOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const address = [name, ...path].join("/");
  const shownAddress = useRef(address);

  useEffect(() => {
    document.title = `${page?.title ?? "Not found"} · mnemosync console`;
  }, [page]);

  useEffect(() => {
    if (shownAddress.current === address) return;
    shownAddress.current = address;
    setIsOpen(false);
    // A new page begins at its top, for the eye and for a screen reader.
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [address]);

  return (
    <div class="shell">
      <header class="bar">
        <button type="button" class="skip" onClick={() => main.current?.focus()}>
          Skip to the page
        </button>
        <a class="brand" href={linkTo("overview")}>
          mnemosync
        </a>
        <div class="bar-menu">
          <Button onClick={() => setIsOpen(!isOpen)} isExpanded={isOpen} controls="navigation">
            Menu
          </Button>
        </div>
      </header>
      <div id="navigation" class={isOpen ? "side side-open" : "side"}>
        <Navigation current={name} />
        <section class="side-foot" aria-label="Session">
          <Appearance />
          <p class="hint">
            {keyed ? (
              <>
                Key <strong>{identity.id}</strong>, scope {identity.scope}
                {identity.namespaces !== null && `, ${identity.namespaces.join(", ")}`}
                {identity.scope !== "admin" && ": read-only"}
              </>
            ) : (
              "This service needs no key"
            )}
          </p>
          {keyed && <Button onClick={() => signOut()}>Sign out</Button>}
          {serviceVersion.value !== null && <p class="hint">mnemosync {serviceVersion.value}</p>}
        </section>
      </div>
      <main ref={main} class="page" tabIndex={-1}>
        {page === undefined ? (
          <NotFound />
        ) : (
          <PageBoundary title={page.title} address={address}>
            <PageContent page={page} path={path} query={query} />
          </PageBoundary>
        )}
      </main>
    </div>
  );
}

function PageContent({ page, path, query }: { page: Page; path: readonly string[]; query: URLSearchParams }) {
  const missing = missingRight(page, signedIn.value.identity);
  if (missing !== null) {
    return (
      <>
        <h1>{page.title}</h1>
        <EmptyState title={missing}>
          <p>Sign out, and sign in with a key that has this right.</p>
        </EmptyState>
      </>
    );
  }
  const { component: Component } = page;
  return <Component key={page.name} path={path} query={query} />;
}

function NotFound() {
  return (
    <>
      <h1>Not found</h1>
      <EmptyState title="The console has no such page">
        <p>The address may be cut short. Begin at the overview.</p>
        <Button look="primary" onClick={() => go(linkTo("overview"))}>
          Open the overview
        </Button>
      </EmptyState>
    </>
  );
}
