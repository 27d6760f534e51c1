# What `cargo metadata` says of the crates, as CycloneDX: $root, and all that it is built from, with the checksums of Cargo.lock.
# Without what tests need, and without times and serial numbers: the same sources give the same file.
def url: "pkg:cargo/\(.name)@\(.version)";

(.packages | INDEX(.id)) as $packages
| (.packages[] | select(.name == $root) | .id) as $main
| (.resolve.nodes | INDEX(.id) | map_values([.deps[] | select(any(.dep_kinds[]; .kind != "dev")) | .pkg])) as $needs
| def closure($new; $seen):
    ($new - $seen) as $more
    | if $more == [] then $seen else closure([$more[] | $needs[.][]] | unique; $seen + $more) end;
  ([$lock | scan("name = \"(.*)\"\nversion = \"(.*)\"\nsource = .*\nchecksum = \"(.*)\"")
    | {key: "\(.[0]) \(.[1])", value: .[2]}] | from_entries) as $checksums
| closure([$main]; []) as $all
| def component($type):
    {type: $type, name, version, "bom-ref": url, purl: url, description, licenses: [{expression: (.license | gsub("/"; " OR "))}]}
    + ($checksums["\(.name) \(.version)"] | if . then {hashes: [{alg: "SHA-256", content: .}]} else {} end)
    | del(.description | nulls);
  {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {component: ($packages[$main] | component("library"))},
    components: [$all - [$main] | sort[] | $packages[.] | component("library")],
    dependencies: [$all | sort[] | {ref: ($packages[.] | url), dependsOn: [$needs[.] | unique[] | $packages[.] | url]}]
  }
