/** Where to connect to. */
export interface Servers {
  readonly addresses: readonly string[];
  readonly credentials: { readonly user?: string; readonly pass?: string; readonly token?: string };
}

/** The library takes credentials beside the addresses only. */
export const parseServers = (servers: string | readonly string[]): Servers => {
  const all = (typeof servers === 'string' ? servers.split(',') : servers).map((server) => server.trim());
  let credentials: Servers['credentials'] = {};
  const addresses = all.map((server) => {
    const [, scheme = '', login, host = server] = /^([a-z]+:\/\/)?(?:([^@/]*)@)?(.*)$/.exec(server) ?? [];
    if (login !== undefined) {
      const [user = '', ...rest] = login.split(':').map(decodeURIComponent);
      credentials = rest.length > 0 ? { user, pass: rest.join(':') } : { token: user };
    }
    return scheme + host;
  });
  return { addresses, credentials };
};
