"""Writes the generated pages of ``docs/`` and names links that lead nowhere.

python tests/generate_docs.py
"""

import sys

from kit.pages import DOCS, ROOT, broken_links, generated


def main() -> int:
    for path, text in generated().items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    broken = [link for page in pages for link in broken_links(page)]
    for link in broken:
        print(f"broken link in {link}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
