//! How long a call of each hot function takes.

use criterion::{Criterion, criterion_group, criterion_main};

fn hot_path(criterion: &mut Criterion) {
    for (name, prepare) in hot_path::all() {
        let mut run = prepare();
        criterion.bench_function(name, |bencher| bencher.iter(&mut run));
    }
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
