/** What can be told of a document without a model: its title, its sentences, and the names, years and words in it. */

export interface Document {
  readonly title: string;
  readonly sentences: readonly string[];
  /** Most frequent first. */
  readonly keywords: readonly string[];
  readonly people: readonly string[];
  readonly places: readonly string[];
  readonly years: readonly number[];
  readonly words: number;
}

/** The document in a prompt: what stands between `<document>` tags, else what follows the first empty line, else all. */
export const documentIn = (prompt: string): string =>
  /<document[^>]*>([\s\S]*?)<\/document>/.exec(prompt)?.[1]?.trim() ??
  (/\n\s*\n([\s\S]+)$/.exec(prompt)?.[1] ?? prompt).trim();

const commonWords = new Set(
  `about above after again also although another because been before being below between both cannot case could does
  done down during each either else even every example following from given have having here however into itself just
  know known last less like made make many might more most much must need never next none often once only other ought
  over part same several shall should shew since some still such take than that their them then there therefore these
  they this those though three through thus together under until upon used uses using usually very want well were what
  when where whether which while will with within without would your first second another call called
  different something things`.split(/\s+/),
);

const placeNames =
  `England|London|Cambridge|Scotland|Ireland|France|Paris|Germany|Berlin|Italy|Rome|Florence|Spain|Greece|
  Athens|Europe|Asia|Africa|America|China|Japan|India|Egypt|Russia|Moscow|United States|United Kingdom|Great Britain|
  New York|Boston|Massachusetts|Virginia|Pennsylvania|Philadelphia|Gettysburg|Delaware|Maryland|Georgia|New Jersey|
  Connecticut|North Carolina|South Carolina|New Hampshire|Rhode Island|California|San Francisco|Berkeley|Stanford|
  Silicon Valley|Washington|Chicago|Texas|Colorado|Finland|Norway|Sweden|Denmark|Netherlands|Amsterdam|Australia|
  Canada|Quebec|MIT|Bell Labs|Xerox PARC|CERN`
    .split('|')
    .map((name) => name.trim());

const placePattern = new RegExp(`\\b(?:${placeNames.join('|')})\\b`, 'g');
const titledPattern =
  /\b(?:Mr|Mrs|Dr|Sir|Prof|Professor|President|Captain|King|Queen|Lord|Saint|St)\.? (?:[A-Z][a-z]+ ?){1,2}/g;
const namePattern = /\b[A-Z][a-z]{2,}(?: [A-Z]\.)? [A-Z][a-z]{2,}\b/g;
/** First words of two that are capitals but no name. */
const noName =
  /^(?:The|This|That|These|Those|When|Where|Book|Part|Section|Article|Amendment|Query|Prop|New|North|South|United|House|Chief|Vice|For|And|But|Our|His|Its|See)\b/;

const unique = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

const matches = (text: string, pattern: RegExp): readonly string[] =>
  (text.match(pattern) ?? []).map((found) => found.trim());

/** The paragraphs that are prose: neither code nor verse nor heading. */
const proseOf = (body: string): readonly string[] =>
  body.split(/\n\s*\n/).filter((paragraph) => !/^\s{4}|^[^\n]{1,80}\n-+$|^[^.!?]{1,80}$/.test(paragraph));

const sentencesOf = (prose: readonly string[]): readonly string[] =>
  prose
    .flatMap((paragraph) =>
      paragraph
        .replace(/\s+/g, ' ')
        .trim()
        .split(/(?<=[.!?]["')]?) (?=["'(]?[A-Z])/),
    )
    .filter((sentence) => sentence.length > 30 && /[.!?]["')]?$/.test(sentence));

const keywordsOf = (words: readonly string[]): readonly string[] => {
  const counts = new Map<string, number>();
  for (const word of words) {
    if (word.length > 3 && !commonWords.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([word]) => word);
};

/** Two capitals in a row are a name if neither word is written small anywhere in the same text. */
const peopleIn = (title: string, prose: string, places: readonly string[]): readonly string[] => {
  const small = new Set(prose.match(/\b[a-z]{3,}\b/g));
  const names = matches(prose, namePattern).filter(
    (name) =>
      !noName.test(name) &&
      !places.includes(name) &&
      !name.split(' ').some((part) => small.has(part.toLowerCase()) || small.has(part.toLowerCase().replace(/s$/, ''))),
  );
  const author = /\bby ((?:[A-Z][a-z]+ ?){2,3})/.exec(title)?.[1]?.trim();
  return unique([...(author ? [author] : []), ...matches(prose, titledPattern), ...names]);
};

/** The first line is the title. */
export const readDocument = (text: string): Document => {
  const [title = '', ...lines] = text.trim().split('\n');
  const body = lines.join('\n').trim() || title;
  const flat = body.replace(/\s+/g, ' ');
  const prose = proseOf(body);
  const words = (flat.toLowerCase().match(/[a-z][a-z']+/g) ?? []).map((word) => word.replace(/'s$/, ''));
  const places = unique(matches(flat, placePattern));
  return {
    title: title.trim(),
    sentences: sentencesOf(prose),
    keywords: keywordsOf(words),
    people: peopleIn(title, prose.join(' ').replace(/\s+/g, ' '), places),
    places,
    years: unique(matches(flat, /\b1[5-9]\d\d\b|\b20[0-4]\d\b/g).map(Number)),
    words: words.length,
  };
};
