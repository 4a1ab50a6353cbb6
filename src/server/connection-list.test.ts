/** The list of the open connections of a server. */
import { describe, expect, test } from 'vitest';
import type { Connection } from './connection.ts';
import { ConnectionList } from './connection-list.ts';

/** A list with connections of these names, and the connections. */
function listOf(names: string): { list: ConnectionList; open: Connection[] } {
  const list = new ConnectionList();
  const open = [...names].map(
    (name) => ({ name, older: null, newer: null }) as unknown as Connection,
  );
  for (const connection of open) list.add(connection);
  return { list, open };
}

const nameOf = (connection: Connection | null): string =>
  (connection as unknown as { name: string } | null)?.name ?? '';

const namesIn = (list: ConnectionList): string => Array.from(list, nameOf).join('');

describe('a list of connections', () => {
  test('has its connections in the order in which they were added', () => {
    const { list, open } = listOf('abcde');
    for (const index of [0, 2, 4]) list.delete(open[index] as Connection);
    expect([namesIn(list), list.size]).toEqual(['bd', 2]);
    list.add(open[0] as Connection);
    expect([namesIn(list), list.size]).toEqual(['bda', 3]);
  });

  test('can become empty and be filled again', () => {
    const { list, open } = listOf('ab');
    for (const connection of open) list.delete(connection);
    expect([namesIn(list), list.size]).toEqual(['', 0]);
    list.add(open[1] as Connection);
    expect(namesIn(list)).toBe('b');
  });

  test('leaves no reference to another connection in one that was removed', () => {
    const { list, open } = listOf('abc');
    list.delete(open[1] as Connection);
    expect(open[1]).toMatchObject({ older: null, newer: null });
  });

  test('is swept once, including connections that are added meanwhile', () => {
    const { list, open } = listOf('abcd');
    list.beginSweep();
    const swept = [list.nextInSweep()];
    list.delete(open[0] as Connection);
    list.delete(open[1] as Connection);
    swept.push(list.nextInSweep());
    list.add(open[0] as Connection);
    swept.push(list.nextInSweep(), list.nextInSweep(), list.nextInSweep());
    expect(swept.map(nameOf)).toEqual(['a', 'c', 'd', 'a', '']);
    list.beginSweep();
    expect(nameOf(list.nextInSweep())).toBe('c');
  });
});
