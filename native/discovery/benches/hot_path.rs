//! Times of the hot functions: `cargo bench -p discovery`. Instructions, which a busy machine does not change, are
//! counted by `bench/instructions`.

mod workload;

use criterion::{Criterion, criterion_group, criterion_main};

fn hot_path(criterion: &mut Criterion) {
    for (name, prepare) in workload::all() {
        let mut run = prepare();
        criterion.bench_function(name, |bencher| bencher.iter(&mut run));
    }
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
