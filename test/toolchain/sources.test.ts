// Which entry of the machine's source lists is its main archive.
import { expect, test } from "vitest";
import { chooseArchive } from "../../src/local/toolchain/sources.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

function choose(...texts: readonly string[]) {
  return chooseArchive(
    texts.map((text) => ({ name: /^\w[\w-]*:/m.test(text) ? "a.sources" : "a.list", text })),
  );
}

test("a deb822 entry gives its URI and its keyring", () => {
  const text = `Types: deb\n# a remark\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates
Components: main\nSigned-By: ${KEYRING}\n`;
  expect(choose(text)).toEqual({ uri: "http://mirror.test/debian", signedBy: KEYRING });
});

test("a one-line entry gives its URI, with and without options", () => {
  const uri = "https://mirror.test/pub/linux/debian/";
  expect(choose(`deb ${uri} bookworm main contrib # remark`)).toEqual({ uri, signedBy: null });
  expect(choose(`deb [arch=amd64 signed-by=${KEYRING}] ${uri} trixie main`)).toEqual({
    uri,
    signedBy: KEYRING,
  });
});

test.each([
  ["a snapshot", "http://mirror.test/archive/debian/20250520T000000Z"],
  ["a mirror list in a file", "mirror+file:///etc/apt/mirrors/debian.list"],
  ["Ubuntu's ports", "http://mirror.test/ubuntu-ports/"],
  ["a local copy", "file:/srv/mirror/debian"],
])("%s is a main archive", (_, uri) => {
  expect(choose(`deb ${uri} noble main`)?.uri).toBe(uri);
});

test.each([
  ["a third party with the machine's codename", "deb https://third.test bookworm main"],
  [
    "a third party's own keyring",
    "deb [signed-by=/k/third.gpg] https://third.test/debian sid main",
  ],
  ["a third party's own component", "deb https://third.test/debian bookworm stable"],
  ["a security mirror", "deb http://mirror.test/debian-security bookworm-security main"],
  ["an old security mirror", "deb http://mirror.test/debian buster/updates main"],
  ["a security suite on the main mirror", "deb http://mirror.test/ubuntu noble-security main"],
  ["a source entry", "deb-src http://mirror.test/debian bookworm main"],
  ["a line that is switched off", "# deb http://mirror.test/debian bookworm main"],
  ["a CD-ROM", "deb cdrom:[Debian]/debian bookworm main"],
  [
    "a disabled paragraph",
    "Types: deb\nEnabled: no\nURIs: http://a/debian\nSuites: sid\nComponents: main",
  ],
  [
    "a paragraph of sources",
    "Types: deb-src\nURIs: http://a/debian\nSuites: sid\nComponents: main",
  ],
  [
    "a paragraph with a key in it",
    "Types: deb\nURIs: http://ppa.test/x/ubuntu\nSuites: noble\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END",
  ],
])("%s is not a main archive", (_, text) => {
  expect(choose(text)).toBe(null);
});

test("an entry with the distribution's keyring wins over one before it without", () => {
  const unsigned = "deb http://ppa.test/ppa/ubuntu noble main";
  const signed = `Types: deb\nURIs: http://mirror.test/ubuntu\nSuites: noble\nComponents: main
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg`;
  expect(choose(unsigned, signed)?.uri).toBe("http://mirror.test/ubuntu");
});

test("the distribution's keyring makes an unusual path a main archive", () => {
  const text = `deb [signed-by=${KEYRING}] https://proxy.test/repository/apt-all bookworm main`;
  expect(choose(text)?.uri).toBe("https://proxy.test/repository/apt-all");
});

test("the second paragraph is found when the first is for security", () => {
  const paragraph = (uri: string, suite: string): string =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${KEYRING}\n`;
  const security = paragraph("http://mirror.test/debian-security", "trixie-security");
  const main = paragraph("http://mirror.test/debian", "trixie");
  expect(choose(`${security}\n${main}`)?.uri).toBe("http://mirror.test/debian");
});
