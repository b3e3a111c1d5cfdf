/** What of a text is the same in base64 wherever the text stands in something longer: one form for each alignment. */
function base64Cores(text: string): readonly string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.from('-'.repeat(before) + text);
    const [from, to] = [Math.ceil((before * 4) / 3), Math.floor(bytes.length / 3) * 4];
    return (['base64', 'base64url'] as const).map((encoding) => bytes.toString(encoding).slice(from, to));
  });
}

/** A secret as it may be found in a text: as it is, encoded for a URL, and in base64, also within something longer. */
export function secretForms(secret: string): readonly string[] {
  const ofUserinfo = new URL('http://host');
  ofUserinfo.password = secret;
  const plain = [secret, encodeURIComponent(secret), encodeURI(secret), ofUserinfo.password];
  return [...new Set([...plain, ...plain.flatMap(base64Cores)])];
}
