use forker::socket::{SocketOptions, Sockets, Strategy};

#[test]
fn each_slot_has_a_socket_on_the_port_that_was_found() {
    let address = "127.0.0.1:0".parse().unwrap();
    let sockets = Sockets::open(&[address], &SocketOptions::default(), Strategy::ReusePort, 3).unwrap();
    assert_eq!(sockets.rows().len(), 3);
    assert!(!sockets.addresses()[0].to_string().ends_with(":0"));
}
