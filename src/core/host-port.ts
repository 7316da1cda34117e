// How an address is written in a URL or for people.

/** "10.0.0.5:3306"; an IPv6 address in brackets (RFC 3986 §3.2.2). */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
