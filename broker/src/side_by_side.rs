//! The same for each of many, on several threads: what waits for the disk, at the start and at the end.

use crate::limit;

/// Does something with each, and collects what came of it in the same order; the first failure in that order is the whole's.
pub(crate) fn side_by_side<T: Sync, R: Send, E: Send>(all: &[T], act: impl Fn(&T) -> Result<R, E> + Sync) -> Result<Vec<R>, E> {
    let threads = all.len().div_ceil(limit::SIDE_BY_SIDE_EACH_MIN).min(limit::SIDE_BY_SIDE_THREADS_MAX);
    if threads <= 1 {
        return all.iter().map(act).collect();
    }
    let act = &act;
    std::thread::scope(|scope| {
        let shares = all.chunks(all.len().div_ceil(threads));
        let working: Vec<_> = shares.map(|share| scope.spawn(move || share.iter().map(act).collect::<Result<Vec<R>, E>>())).collect();
        let mut done = Vec::with_capacity(all.len());
        for share in working {
            done.extend(share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(done)
    })
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn the_order_stays_and_the_first_failure_counts() {
        for count in [0, 1, 64, 65, 1000, 5000] {
            let all: Vec<i32> = (0..count).collect();
            let doubled = side_by_side(&all, |number| Ok::<_, ()>(number * 2)).unwrap();
            assert!(doubled.iter().zip(&all).all(|(double, number)| *double == number * 2) && doubled.len() == all.len());
            let failed = side_by_side(&all, |number| if number % 50 == 49 { Err(*number) } else { Ok(()) });
            assert_eq!(failed.err(), (count > 49).then_some(49), "{count}");
        }
    }
}
