use std::thread;

let mut total = 0;
thread::scope(|scope| {
    scope.spawn(|| total += 1);
    scope.spawn(|| total += 1);
});
