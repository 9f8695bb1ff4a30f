/** What a server is told of who its client is: the option `auth`, asked anew for every line. */
export type Credentials = { readonly json: string | undefined } | { readonly cause: unknown };

/** What `auth` is, or gives, as JSON; or why it does not. Never rejects: nobody may be there to hear it. */
export async function credentialsOf(auth: unknown): Promise<Credentials> {
  try {
    return { json: JSON.stringify(await (typeof auth === "function" ? auth() : auth)) };
  } catch (cause) {
    return { cause };
  }
}
