<?php
// Adminer, for the server of this package and no other one.
function adminer_object() {
    class OneServer extends Adminer {
        function name() { return 'Database'; }
        function credentials() { return array('127.0.0.1', $_GET['username'], get_password()); }
        function database() { return 'postgres'; }
        function login($user, $password) { return $password !== ''; }
        function loginForm() {
            echo '<input type="hidden" name="auth[driver]" value="pgsql"><input type="hidden" name="auth[server]" value="">';
            echo '<p><label>User <input name="auth[username]" value="owner" autocomplete="username"></label>';
            echo '<p><label>Password <input type="password" name="auth[password]" autocomplete="current-password"></label>';
            echo '<p><input type="submit" value="Log in">';
        }
    }
    return new OneServer;
}
chdir('/usr/share/adminer');
include '/usr/share/adminer/adminer.php';
