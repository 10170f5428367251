//! Flow control, limits of the peer, and turns.

use super::super::engine::STREAM_WINDOW;
use super::super::frame::{CONTINUATION, DATA, MAX_FRAME, RST_STREAM, WINDOW_UPDATE};
use super::*;

/// The lengths of the DATA frames that leave, by stream.
fn data(engine: &mut Engine) -> Vec<(u32, usize)> {
    let frames = output(engine).into_iter().filter(|(head, _)| head.kind == DATA);
    frames.map(|(head, payload)| (head.stream, payload.len())).collect()
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

#[test]
fn no_more_is_sent_than_a_stream_allows() {
    let mut engine = engine(&[(4, 10)]);
    let id = open(&mut engine, Some(piece(25)));
    assert_eq!(data(&mut engine), [(id, 10)]);
    for (increment, sent) in [(1, 1), (5, 5), (100, 14)] {
        receive(&mut engine, &update(id, increment)).unwrap();
        assert_eq!(data(&mut engine), [(id, sent)]);
    }
}

#[test]
fn a_window_can_become_negative() {
    let mut engine = engine(&[(4, 20)]);
    let id = open(&mut engine, Some(piece(95)));
    assert_eq!(data(&mut engine), [(id, 20)]);
    // 20 - 20 sent - 15 = -15
    for (bytes, sent) in [
        (settings(&[(4, 5)]), vec![]),
        (update(id, 15), vec![]),
        (update(id, 1), vec![(id, 1)]),
        (settings(&[(4, 15)]), vec![(id, 10)]),
        (settings(&[(4, 1000)]), vec![(id, 69)]),
    ] {
        receive(&mut engine, &bytes).unwrap();
        assert_eq!(data(&mut engine), sent);
    }
}

#[test]
fn streams_share_the_connections_window_frame_by_frame() {
    let mut engine = engine(&[(4, 1 << 20)]);
    let (one, other) = (open(&mut engine, Some(piece(99_995))), open(&mut engine, Some(piece(30_000))));
    let small = open(&mut engine, Some(piece(5)));
    // 65,535 and no more.
    let sent = data(&mut engine);
    assert_eq!(sent, [(one, MAX_FRAME), (one, MAX_FRAME), (one, MAX_FRAME), (one, MAX_FRAME - 1)]);
    receive(&mut engine, &update(0, 50_000)).unwrap();
    let sent = data(&mut engine);
    assert_eq!(sent, [(one, MAX_FRAME), (other, MAX_FRAME), (small, 10), (one, MAX_FRAME), (other, 838)]);
    assert_eq!(sent.iter().map(|(_, length)| length).sum::<usize>(), 50_000);
    engine.release(one);
    receive(&mut engine, &update(0, 50_000)).unwrap();
    assert_eq!(kinds(&mut engine), [(RST_STREAM, 0, one), (DATA, END_STREAM, other)]);
}

#[test]
fn what_is_taken_opens_the_window_again_in_large_steps() {
    let mut engine = engine(&[]);
    let id = open(&mut engine, Some(piece(1)));
    output(&mut engine);
    receive(&mut engine, &headers(0, id, OK)).unwrap();
    let part = frame(DATA, 0, id, &[1; 8192]);
    for round in 1..=40 {
        receive(&mut engine, &part).unwrap();
        answer(&mut engine, id);
        let expected = if round % 4 == 0 { vec![(WINDOW_UPDATE, 0, id)] } else { vec![] };
        assert_eq!(kinds(&mut engine), expected, "{round}");
    }
    // What nobody takes stays within the window.
    for _ in 0..8 {
        receive(&mut engine, &part).unwrap();
    }
    assert_eq!(kinds(&mut engine), []);
    assert_eq!(answer(&mut engine, id).content.len(), STREAM_WINDOW as usize);
}

#[test]
fn what_is_thrown_away_opens_the_window_only_if_it_shall_go_on() {
    for go_on in [true, false] {
        let mut engine = engine(&[(4, 0)]);
        let id = open(&mut engine, Some(piece(10)));
        output(&mut engine);
        engine.discard(id, go_on);
        let parts = [headers(0, id, OK), frame(DATA, 0, id, &[0; 16_000]).repeat(3)];
        receive(&mut engine, &parts.concat()).unwrap();
        let expected = if go_on { vec![(WINDOW_UPDATE, 0, id)] } else { vec![] };
        assert_eq!(kinds(&mut engine), expected);
        receive(&mut engine, &update(id, 100)).unwrap();
        assert_eq!(kinds(&mut engine), [], "nothing is sent any more");
        receive(&mut engine, &headers(END_STREAM, id, STATUS)).unwrap();
        let end = ended(b"").end;
        assert_eq!(answer(&mut engine, id), Answer { end, ..Answer::default() });
    }
}

#[test]
fn headers_follow_what_the_peer_takes() {
    let mut engine = engine(&[(6, 500)]);
    let mut metadata = HeaderMap::new();
    metadata.insert("x", "y".repeat(1000).parse().unwrap());
    assert!(engine.try_turn().unwrap());
    let error = engine.open(&request(&metadata), None).unwrap_err();
    let size = request(&metadata).size();
    assert_eq!(error.to_string(), format!("the headers have {size} bytes, and the peer takes 500"));
    assert_eq!(kinds(&mut engine), []);
    open(&mut engine, None);

    // Headers that are larger than a frame.
    receive(&mut engine, &settings(&[(6, 1 << 20)])).unwrap();
    output(&mut engine);
    metadata.insert("x", "y".repeat(3 * MAX_FRAME).parse().unwrap());
    assert!(engine.try_turn().unwrap());
    let id = engine.open(&request(&metadata), None).unwrap();
    let last = (CONTINUATION, END_HEADERS, id);
    assert_eq!(kinds(&mut engine), [(HEADERS, 0, id), (CONTINUATION, 0, id), (CONTINUATION, 0, id), last]);
}

#[test]
fn streams_are_opened_in_turn() {
    let mut engine = engine(&[(3, 1)]);
    let first = open(&mut engine, Some(piece(1)));
    assert!(!engine.try_turn().unwrap());
    let cx = Context::from_waker(Waker::noop());
    let (mut one, mut other) = (0, 0);
    assert!(engine.poll_turn(&mut one, &cx).is_pending());
    assert!(engine.poll_turn(&mut other, &cx).is_pending());
    receive(&mut engine, &whole(first, b"")).unwrap();
    assert!(!engine.try_turn().unwrap(), "nobody overtakes");
    assert!(engine.poll_turn(&mut other, &cx).is_pending());
    engine.leave_queue(&mut one);
    assert!(matches!(engine.poll_turn(&mut other, &cx), Poll::Ready(Ok(()))));
    assert!(!engine.try_turn().unwrap(), "the place is taken");
    engine.give_back();
    assert!(engine.try_turn().unwrap());
    let mut late = 0;
    assert!(engine.poll_turn(&mut late, &cx).is_pending());
    receive(&mut engine, &settings(&[(3, 2)])).unwrap();
    assert!(matches!(engine.poll_turn(&mut late, &cx), Poll::Ready(Ok(()))));
}
