// Asks the listener that gave this page, and nobody else.

const LIMIT = 8000;

export class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

export async function ask(path, parameters = {}) {
  // Not relative to the page's address: that may have a name and a password in it, which fetch refuses.
  const address = new URL(path, location.origin);
  address.search = new URLSearchParams(parameters).toString();
  const answer = await fetch(address, {
    headers: { Accept: "application/json" },
    cache: "no-store",
    credentials: "same-origin",
    redirect: "error",
    signal: AbortSignal.timeout(LIMIT),
  });
  const found = await answer.json().catch(() => null);
  if (!answer.ok || found === null) throw new Refused(answer.status, found?.error ?? `status ${answer.status}`);
  return found;
}
