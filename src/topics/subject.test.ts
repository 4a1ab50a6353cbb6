import { expect, it } from 'vitest';
import { checkPattern, checkSubject, SubjectTree } from './subject.ts';

it('a tree of subjects forgets the tokens of removed patterns', () => {
  const tree = new SubjectTree<number>();
  const patterns = ['a.b.c', 'a.*', 'a.>', 'a.b', '>'];
  for (const [value, pattern] of patterns.entries()) tree.add(pattern, value);
  expect(tree.match('a.b').sort()).toEqual([1, 2, 3, 4]);
  expect(tree.match('a.b.c').sort()).toEqual([0, 2, 4]);
  expect(tree.match('a')).toEqual([4]);
  for (const [value, pattern] of patterns.entries()) tree.delete(pattern, value);
  tree.delete('a.b', 3);
  expect(tree.match('a.b')).toEqual([]);
  expect(tree.isEmpty).toBe(true);
});

it('a subject has at most 1024 bytes', () => {
  expect(() => checkSubject('subject', 'ä'.repeat(512))).not.toThrow();
  expect(() => checkSubject('subject', 'ä'.repeat(513))).toThrow('at most 1024 bytes');
  expect(() => checkPattern('pattern', 7)).toThrow(TypeError);
});
