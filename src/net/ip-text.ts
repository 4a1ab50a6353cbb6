/** IP addresses between text and bytes. The text has been found to be an address before. */

/** Four bytes: '192.0.2.1'. */
export function ipv4Text(bytes: Uint8Array): string {
  return bytes.join('.');
}

/**
 * Sixteen bytes in the form of RFC 5952: lower case, the longest run of zeros as '::' (the first of
 * several, and no single zero), an IPv4-mapped address with its IPv4 part in decimal.
 */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => {
    return ((bytes[2 * index] as number) << 8) | (bytes[2 * index + 1] as number);
  });
  if (isMapped(groups)) return `::ffff:${ipv4Text(bytes.subarray(12))}`;
  const [start, length] = longestZeros(groups);
  const text = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}

function longestZeros(groups: readonly number[]): readonly [number, number] {
  let best: readonly [number, number] = [0, 0];
  let start = 0;
  for (let at = 0; at <= groups.length; at++) {
    if (groups[at] === 0) continue;
    if (at - start > best[1]) best = [start, at - start];
    start = at + 1;
  }
  return best;
}

/** Sixteen bytes; an IPv4 address is mapped into IPv6 (RFC 4291, 2.5.5.2). A zone is left out. */
export function ipBytes(host: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const [address = ''] = host.split('%');
  if (!address.includes(':')) {
    bytes.set([0xff, 0xff, ...address.split('.').map(Number)], 10);
    return bytes;
  }
  const [head = [], tail] = address.split('::').map(bytesOfGroups);
  bytes.set(head);
  if (tail !== undefined) bytes.set(tail, 16 - tail.length);
  return bytes;
}

function bytesOfGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
