"""Calls proven in the manifest what is planned there and has got its test.

python tests/promote.py
"""

from kit.manifest import MANIFEST, promoted, proofs, read_manifest, source_files


def main() -> None:
    found = proofs(source_files())
    before = read_manifest()
    MANIFEST.write_text(promoted(MANIFEST.read_text(), found))
    after = read_manifest()
    for name, entry in after.items():
        if entry["status"] != before[name]["status"]:
            print(f"{name} is proven by {', '.join(found[name])}")
    count = sum(entry["status"] == "proven" for entry in after.values())
    print(f"{count} of {len(after)} are proven")


if __name__ == "__main__":
    main()
