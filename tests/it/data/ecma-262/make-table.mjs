// Writes table.json in this folder: the texts that each pattern matches as a RegExp of JavaScript, with the flag `u`, or
// without it where the pattern is a syntax error with it. `node make-table.mjs`; made with Node.js 20.
//
// `node make-table.mjs 5000 FILE` writes a table of so many random patterns, for `ECMA_262_TABLE=FILE cargo test ecma_262`.
import { writeFileSync } from "node:fs";

const patterns = [
  // Literals and escapes of characters that need none.
  "a", "", "abc", "^abc$", "a b", "é", "^é$", "😀", "^😀$", "^a/b$", "^a\\/b$", "\\-", "^\\-$", "\\_", "\\@", "\\#", "\\%", "\\&",
  "\\~", "\\`", "\\'", "\\\"", "\\,", "\\;", "\\:", "\\=", "\\!", "\\ ", "^\\<a\\>$", "\\<", "\\>", "^\\<", "\\é", "\\😀",
  "\\.", "\\*", "\\+", "\\?", "\\(", "\\)", "\\[", "\\]", "\\{", "\\}", "\\|", "\\^", "\\$", "\\\\", "\\/",
  // Letters that mean nothing else without the flag.
  "\\a", "^\\A", "\\Z$", "\\z", "\\e", "\\h", "\\R", "\\Q", "\\i", "\\y",
  // Code points.
  "\\x41", "^\\x61$", "\\x4", "\\xg", "\\u0041", "^\\u00e9$", "\\u004", "\\u{61}", "^\\u{1F600}$", "\\u{1f600}", "\\u{0000061}",
  "\\u{10FFFF}", "\\u{110000}", "\\ud83d\\ude00", "^\\ud83d\\ude00$", "^(\\ud83d\\ude00)+$", "\\ud83d", "\\ude00", "^\\ud83d",
  "\\ud83d\\u0041", "[\\ud83d\\ude00]", "^[\\ud83d\\ude00]$", "^[^\\ud83d\\ude00]$", "[\\ud83d]", "^[^\\ud83d]$",
  "^[\\ud83d\\ude00-\\ud83d\\ude4f]$", "^[\\u{1F600}-\\u{1F64F}]$", "^[\\u0000-\\uffff]$", "^[\\ud800-\\udfff]$",
  // Controls.
  "\\0", "^\\0$", "^[\\0]$", "\\t", "\\n", "\\v", "\\f", "\\r", "\\cJ", "\\cj", "^\\cM$", "[\\cJ]", "\\cA", "\\c1", "\\c", "[\\c]",
  "[\\c1]", "[\\c_]", "\\07", "\\012", "\\101", "\\8", "\\9", "[\\1]", "[\\101]", "\\377", "\\400", "\\1", "\\2(a)", "\\00",
  // Assertions.
  "^", "$", "^$", "a$", "^a", "$a", "a^", "(^a|b$)", "^^a", "a$$", "^caf\\b", "\\bcaf\\b", "\\bé", "é\\b", "\\b", "\\B", "^\\B",
  "\\Bé", "caf\\B", "^\\b$", "\\bword\\b", "_\\b", "1\\b-",
  // Dots and classes.
  ".", "^.$", "^..$", "a.b", "^.*$", "^.+$", "[^]", "^[^]$", "[]", "a[]", "[]|a", "[^]a", "[\\b]", "^[\\b]$", "[\\B]", "\\d", "^\\d$",
  "^\\D$", "\\w", "^\\w$", "^\\w+$", "^\\W$", "\\s", "^\\s$", "^\\S$", "^\\S*$", "[\\d]", "[^\\d]", "^[\\D]$", "^[\\W]$", "^[\\S]$",
  "^[^\\D]$", "^[^\\W]$", "^[^\\S]$", "^[\\d\\D]$", "^[\\s\\S]*$", "^[\\w\\W]$", "^[^\\w\\W]$", "[\\w-]", "[\\w-a]", "[\\w-_]",
  "[a-\\d]", "[\\d-\\w]", "[a-]", "[-a]", "[a-c-e]", "^[---]$", "[a\\-c]", "[\\-]", "[+--]", "[!--]", "[]a]", "[^]a]", "[a]]",
  "[[]", "[[a]", "[[a]]", "[a[b]", "[a&&b]", "[a--b]", "[a~~b]", "^[a-z&&^b]+$", "[\\]]", "[\\[]", "[^a]", "[^^]", "[a^]", "[\\^a]",
  "[.]", "^[.]$", "[$]", "[(]", "[)]", "[|]", "[*]", "[{}]", "[#]", "[ ]", "[é]", "[à-ü]", "[😀]", "^[😀-😂]$", "[\\.]", "[\\/]", "[\\_]",
  "[\\a]", "[\\k]", "[\\u{61}-\\u{63}]", "[\\x61-\\x63]", "[\\u0061-c]", "[z-a]", "[\\s-x]", "^[\\p{L}]$", "^[^\\p{L}]$",
  "^[\\p{L}\\d_]+$", "^[\\P{L}]$", "[[:alpha:]]",
  // Properties.
  "^\\p{L}$", "^\\p{Lu}$", "^\\p{Letter}+$", "^\\p{Uppercase_Letter}$", "^\\P{L}$", "^\\p{gc=Lu}$", "^\\p{General_Category=Letter}$",
  "^\\p{Script=Greek}$", "^\\p{sc=Grek}$", "^\\p{Script_Extensions=Latin}$", "^\\p{scx=Cyrl}$", "^\\p{Alphabetic}$", "^\\p{Alpha}$",
  "^\\p{ASCII}$", "^\\p{Any}$", "^\\p{Emoji}$", "^\\p{Emoji_Presentation}$", "^\\p{White_Space}$", "^\\p{N}$", "^\\p{Nd}+$", "^\\p{digit}$",
  "^\\p{P}$", "^\\p{punct}$", "^\\p{Sc}$", "^\\p{Cs}$", "^\\P{Cs}$", "^\\p{ID_Start}$", "^\\p{Lowercase}$", "\\p", "\\pL",
  // Groups and alternatives.
  "(a)", "(?:a)", "(a|b)", "^(a|b|c)$", "a|b", "|a", "a|", "^(|a)$", "()", "(?:)", "((a))", "(?<n>a)", "^(?<year>\\d{4})-(?<month>\\d\\d)$",
  "(?<é>a)", "(?<$>a)", "(?<n>a)|(?<m>b)", "(?<\\u0061>x)", "^(?:a|b)+$", "(", ")", "(a", "a)", "(?a)", "(?P<n>a)", "(?#x)", "(?>a)",
  "(?<n>a)(?<n>b)", "(?<1>a)",
  // Repetitions.
  "a*", "a+", "a?", "^a*$", "^a+$", "^a?$", "a*?", "a+?", "a??", "^a{2}$", "^a{2,}$", "^a{2,3}$", "^a{0}$", "^a{0,1}$", "a{2,3}?",
  "^a{02}$", "^(ab){2}$", "^[ab]{2}$", "^\\d{4}-\\d{2}$", "^.{0,5}$", "^.{3,}$", "^\\w{1,200}$", "^é{2}$", "^😀{2}$", "^(?:😀){2}$",
  "**", "*", "+a", "?", "a**", "a+*", "a{2}{3}", "a{2}*", "a??+", "a{2,1}", "^*", "$+", "\\b+", "(*)", "|*", "{2}", "{a}", "a{", "a{b}",
  "a{,2}", "^a{,2}$", "a{1", "a{1,", "a{1,2", "a{ 1}", "a{1, 2}", "{", "}", "]", "a]", "a}", "^{.*}$", "^\\${[^}]*}$", "x{2}{", "{}",
  "{{2}", "\\{2}",
  // What linear time excludes.
  "(?=a)", "^(?=.*\\d)(?=.*[a-z]).+$", "(?!a)", "^(?!a)", "(?<=a)b", "(?<!a)b", "(?=a)*", "(?!a){2}", "(?<=a)*", "(a)\\1", "^(a|b)\\1$",
  "(?<n>a)\\k<n>", "\\k<n>(?<n>a)", "\\k<n>", "\\k", "(?<n>a)\\k", "(?<n>a)\\k<m>", "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)\\10",
  "(a)\\2",
  // As people write them.
  "^[^\\s@]+@[^\\s@]+\\.[^\\s@]+$", "^[\\w.+-]+@[\\w-]+(\\.[\\w-]+)+$", "^https?:\\/\\/", "^(https?|ftp):\\/\\/[^\\s/$.?#].[^\\s]*$",
  "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", "^swh:1:snp:[0-9a-f]{40}$", "^\\+?[1-9]\\d{1,14}$", "^-?\\d+(\\.\\d+)?$",
  "^#[0-9a-fA-F]{6}$", "^[A-Z]{3}$", "^\\S+$", "^\\s*$", "^[^<>]*$", "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$", "^v?\\d+\\.\\d+\\.\\d+$",
  "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "^[\\x20-\\x7e]*$", "^[\\u0020-\\u007E]+$", "^[^\\x00-\\x1f]*$", "^\\w+(?:\\.\\w+)*$", "^/[^/]+/$",
  "^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+$", "\\r\\n", "^\\s+|\\s+$", "^[\\p{L} .'-]{1,100}$",
];

const texts = [
  "", "a", "b", "c", "ab", "aa", "aaa", "aaaa", "abab", "abc", "xabcx", "A", "B", "Z", "z", "_", "-", "+", ",", "0", "1", "12", "2026",
  "2026-01", "12-34", "é", "É", "éé", "ée", "ß", "α", "Ω", "я", "日", "café", "caf", "caf é", "cafe", "a caf b", "word", "a word.", "_b",
  " ", "  ", "\t", "\n", "\r", "\u000b", "\f", "\u0008", "\0", "\u0001", "\u0007", "\u000a1", "\u0085", "\u00a0", "\u1680", "\u180e",
  "\u2003", "\u200b", "\u2028", "\u2029", "\u202f", "\u3000", "\ufeff", "\u00ff", "\u0661", "a\nb", "a\n", "\na", "a\r\nb", "a\u2028b",
  "axb", "a b", "a.b", "a/b", "/a/", "😀", "😀😀", "😁", "x😀y", "\uffff", "\u{10ffff}", "\\", "\\c", "\\c1", "c1", "/", ".", "*", "?", "(",
  ")", "[", "]", "{", "}", "|", "^", "$", "<", ">", "<a>", "#", "%", "&", "~", "`", "'", "\"", ";", ":", "=", "!", "@", "[]", "[a]", "a]",
  "]a", "{}", "{a}", "a{", "a{b}", "a{,2}", "a{1, 2}", "a{ 1}", "a{1", "${x}", "{x}", "d", "e", "f", "g", "h", "i", "k", "x", "y", "p", "u",
  "aA", "Aa", "n", "k<n>", "R", "Q", "8", "9", "@1", " 0", "x4", "xg", "u004", "pL", "€", "1-", "aba", "abb", "abcdefghijj", "a1b",
  "joe@example.com", "joe <joe@example.com>", "https://example.com/x", "ftp://x.y", "1.2.3", "v1.2.3", "-1.5", "+31612345678", "#00ff00",
  "EUR", "swh:1:snp:" + "0".repeat(40), "01234567-89ab-cdef-0123-456789abcdef", "2026-01-31T12:00:00Z", "my-name", "My Name",
  "[:alpha:]", "l:]", "a.b.c",
];

const [count, file] = process.argv.slice(2);

// Pieces of patterns, to be put together at random.
const pieces = [
  ..."abc1_-.^$|()[]{}*+?,:=!<>\\/ é😀&~#@", "\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\b", "\\B", "\\0", "\\n", "\\t", "\\cJ", "\\x61",
  "\\u0061", "\\u{62}", "\\ud83d\\ude00", "\\ud83d", "\\-", "\\]", "\\[", "\\^", "\\$", "\\.", "\\<", "\\_", "\\1", "\\12", "\\8", "\\c", "\\k", "\\k<n>",
  "(?:", "(?<n>", "(?=", "(?!", "(", ")", "[", "[^", "]", "{2}", "{1,2}", "{0,}", "{,2}", "a-c", "--", "&&", "*?", "+?", "\\p{L}", "\\P{L}",
  "\\p{Lu}", "^a", "b$", "[a-c]", "[^b]", "(a|b)", "\\e", "\\Z",
];
const random = (most) => Math.floor(Math.random() * most);
const randomPattern = () => Array.from({ length: 1 + random(7) }, () => pieces[random(pieces.length)]).join("");
// Without the flag, some pieces mean something else than they do here, on purpose: docs/schemas.md.
const isMeantOtherwise = ({ pattern, flag }) => flag !== "u" && /\\[pPu]|\\d{7,}/.test(pattern);
const isOneUnitEach = (text) => [...text].length === text.length;

const compile = (pattern) => {
  for (const flag of ["u", ""]) {
    try {
      return [flag, new RegExp(pattern, flag)];
    } catch {}
  }
  return [null, null];
};

const chosen = count ? Array.from({ length: Number(count) }, randomPattern) : patterns;
const usedTexts = count ? texts.filter(isOneUnitEach) : texts;
const rows = chosen
  .map((pattern) => {
    const [flag, regex] = compile(pattern);
    return { pattern, flag, matches: regex && usedTexts.flatMap((text, index) => (regex.test(text) ? [index] : [])) };
  })
  .filter((row) => !count || !isMeantOtherwise(row));

const json = [
  `{"texts": ${JSON.stringify(usedTexts)},`,
  ` "rows": [`,
  rows.map((row) => "  " + JSON.stringify(row)).join(",\n"),
  " ]}",
].join("\n");
writeFileSync(file ?? new URL("table.json", import.meta.url), json + "\n");
console.log(`${rows.length} patterns, ${usedTexts.length} texts`);
