//! How far a batch goes in each partition, when more waits than one batch takes.
//!
//! Records of the same time lie in all partitions, and a watermark is one for all of them. So a batch takes the same share of what waits
//! in each: were it to take one partition first, its times would make the records of the others late.

/// A batch on its way: where it begins in every partition, how far it was fetched, and where it is to end at most.
#[derive(Debug)]
pub(super) struct Way {
    pub start: Vec<i64>,
    pub reached: Vec<i64>,
    pub goal: Vec<i64>,
}

impl Way {
    /// The share of the way that was fetched in a partition; none where nothing waits.
    fn share(&self, place: usize) -> Option<f64> {
        let (start, goal) = (self.start[place], self.goal[place]);
        (goal > start).then(|| (self.reached[place].min(goal) - start) as f64 / (goal - start) as f64)
    }

    fn shares(&self) -> impl Iterator<Item = (usize, f64)> {
        (0..self.start.len()).filter_map(|place| Some((place, self.share(place)?)))
    }

    /// The share that was fetched in every partition.
    pub(super) fn common(&self) -> f64 {
        self.shares().map(|(_, share)| share).fold(1.0, f64::min)
    }

    /// The partitions that are behind the others, with where to go on in them; none once the goal is reached.
    pub(super) fn behind(&self) -> Vec<(i32, i64)> {
        let least = self.common();
        let most = self.shares().map(|(_, share)| share).fold(0.0, f64::max);
        let is_behind = |(place, share): &(usize, f64)| *share <= (least + most) / 2.0 && self.reached[*place] < self.goal[*place];
        self.shares().filter(is_behind).map(|(place, _)| (place as i32, self.reached[place])).collect()
    }

    /// Nothing is left on the way in these partitions: compaction took the records before their ends.
    pub(super) fn leave_out(&mut self, behind: &[(i32, i64)]) {
        behind.iter().for_each(|(partition, reached)| self.goal[*partition as usize] = *reached);
    }

    /// Where the batch ends: the same share in every partition, which is as far as the last of them was fetched.
    pub(super) fn end(&self) -> Vec<i64> {
        let common = self.common();
        let end = |place: usize| {
            let (start, reached, goal) = (self.start[place], self.reached[place], self.goal[place]);
            match self.share(place) {
                None => start,
                Some(share) if share <= common => reached.min(goal),
                Some(_) => (start + whole((goal - start) as f64 * common)).min(reached),
            }
        };
        (0..self.start.len()).map(end).collect()
    }
}

/// A share in whole offsets; one below one is rounded up, so that no partition starves (KafkaMicroBatchStream.rateLimit).
fn whole(share: f64) -> i64 {
    (if share < 1.0 { share.ceil() } else { share.floor() }) as i64
}

/// Shares a budget of offsets over partitions in proportion to what waits in each, as Spark shares `maxOffsetsPerTrigger`.
pub(super) fn share_out(start: &[i64], end: &mut [i64], budget: i64) {
    let total: i64 = start.iter().zip(end.iter()).map(|(start, end)| end - start).sum();
    if total > budget {
        let share = |waiting: i64| whole(budget as f64 * waiting as f64 / total as f64).min(waiting);
        start.iter().zip(end).for_each(|(start, end)| *end = start + share(*end - start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_as_spark_shares_it() {
        let mut end = [1000, 10, 1];
        share_out(&[0, 0, 0], &mut end, 100);
        assert_eq!(end, [98, 1, 1]);
        let mut end = [5, 7, 1];
        share_out(&[5, 5, 1], &mut end, 10);
        assert_eq!(end, [5, 7, 1]);
    }

    #[test]
    fn a_batch_that_takes_everything_ends_where_everything_ends() {
        let way = Way { start: vec![3, 7, 9], reached: vec![10, 7, 9], goal: vec![10, 7, 9] };
        assert_eq!((way.behind(), way.end()), (vec![], vec![10, 7, 9]));
    }

    #[test]
    fn no_partition_goes_ahead_of_the_others() {
        // The fetch had room for nearly all of one partition and a little of another, and for nothing of the third.
        let mut way = Way { start: vec![0, 100, 0, 5], reached: vec![900, 150, 0, 5], goal: vec![1000, 1100, 10, 5] };
        assert_eq!(way.behind(), [(1, 150), (2, 0)]);
        assert_eq!(way.end(), [0, 100, 0, 5], "nothing can be taken as long as one of them has nothing");
        way.reached = vec![900, 350, 4, 5];
        assert_eq!(way.end(), [250, 350, 2, 5], "a quarter of each, whatever waits");
        way.reached[2] = 1;
        assert_eq!(way.end(), [100, 200, 1, 5]);
    }

    /// What compaction took from the end of a partition holds nobody up.
    #[test]
    fn an_end_without_records_is_given_up() {
        let mut way = Way { start: vec![0, 9, 3], reached: vec![4, 9, 5], goal: vec![4, 10, 7] };
        assert_eq!(way.behind(), [(1, 9), (2, 5)]);
        way.leave_out(&[(1, 9), (2, 5)]);
        assert_eq!((way.behind(), way.end()), (vec![], vec![4, 9, 5]));
    }

    /// Wherever a fetch ends, a batch stays within what was fetched, and all partitions get ahead.
    #[test]
    fn every_share_is_within_what_was_fetched() {
        let mut random = 7u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((random >> 33) % below) as i64
        };
        for _ in 0..2000 {
            let start: Vec<i64> = (0..4).map(|_| next(1 << 40)).collect();
            let goal: Vec<i64> = start.iter().map(|start| start + 1 + next(1 << 20)).collect();
            let reached: Vec<i64> = start.iter().zip(&goal).map(|(start, goal)| start + 1 + next((goal - start) as u64)).collect();
            let way = Way { start, reached, goal };
            for (place, end) in way.end().into_iter().enumerate() {
                assert!(way.start[place] < end && end <= way.reached[place], "{way:?} {end}");
            }
        }
    }
}
