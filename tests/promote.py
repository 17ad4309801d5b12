"""Settles the manifest: proven is what a test names, the rest is planned.

python tests/promote.py
"""

from kit.manifest import MANIFEST, proofs, read_manifest, settled, source_files


def main() -> None:
    found = proofs(source_files())
    before = read_manifest()
    MANIFEST.write_text(settled(MANIFEST.read_text(), found))
    after = read_manifest()
    for name, entry in after.items():
        if entry["status"] != before[name]["status"]:
            print(f"{name}: {entry['status']}", *sorted(set(found.get(name, ()))))
    count = sum(entry["status"] == "proven" for entry in after.values())
    print(f"{count} of {len(after)} are proven")


if __name__ == "__main__":
    main()
