//! Rules that are written twice, in Rust and in Lua, are the same.

use questline_core::status::DeliveryState;

use crate::redis_server::RedisServer;

#[test]
fn statuses_move_forward_in_lua_as_in_rust() {
    let server = RedisServer::start();
    let mut connection = server.connect();
    redis::cmd("SET").arg("x:lease").arg("mine").exec(&mut connection).unwrap();
    let source = concat!(
        include_str!("../../src/redis/lua/args.lua"),
        include_str!("../../src/redis/lua/common.lua"),
        "return advance(num(), num())"
    );
    // Every pair: a sequence of news is a walk over pairs.
    for before in DeliveryState::ALL {
        for news in DeliveryState::ALL {
            let mut call = redis::cmd("EVAL");
            call.arg(source).arg(1).arg("x:lease").arg("mine").arg(before.number()).arg(news.number());
            let after = call.query::<u8>(&mut connection).unwrap();
            assert_eq!(after, before.advance(news).number(), "{before:?} hears of {news:?}");
        }
    }
}

#[test]
fn a_script_without_the_lease_does_nothing() {
    let server = RedisServer::start();
    let mut connection = server.connect();
    let source = concat!(
        include_str!("../../src/redis/lua/args.lua"),
        include_str!("../../src/redis/lua/common.lua"),
        "return redis.call('SET', base .. 'written', 1)"
    );
    for held in [None, Some("2 other")] {
        if let Some(held) = held {
            redis::cmd("SET").arg("x:lease").arg(held).exec(&mut connection).unwrap();
        }
        let mut call = redis::cmd("EVAL");
        let refused = call.arg(source).arg(1).arg("x:lease").arg("1 me").exec(&mut connection).unwrap_err();
        assert_eq!((refused.code(), refused.detail()), (Some("FENCED"), Some(held.unwrap_or("nobody"))));
        assert_eq!(redis::cmd("EXISTS").arg("x:written").query::<u8>(&mut connection), Ok(0));
    }
}
