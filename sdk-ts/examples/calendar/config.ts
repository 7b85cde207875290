/** What Radicale reads. It listens within the service only; who asks comes from the proxy before it. */
export function radicaleConfig({ rights, proxy }: { rights: string; proxy: { delay: number; upload: number } }): string {
  return `[server]
hosts = 127.0.0.1:5232
max_content_length = ${proxy.upload * 1024 * 1024}
[auth]
type = htpasswd
htpasswd_filename = /data/people
htpasswd_encryption = bcrypt
delay = ${proxy.delay}
[rights]
type = ${rights}
[storage]
filesystem_folder = /data/collections
[logging]
mask_passwords = True
`;
}

/** The proxy: it leads devices that only know the name of the server to their calendars, and keeps large uploads out. */
export function proxyConfig(proxy: { upload: number; addresses: boolean; headers: { name: string; value: string }[] }): string {
  const headers = proxy.headers.map(({ name, value }) => `  "${name}" => "${value}"`).join(",\n");
  return `server.port = 80
server.document-root = "/var/empty"
server.tag = ""
server.modules = ( "mod_redirect", "mod_extforward", "mod_accesslog", "mod_setenv", "mod_proxy" )
server.max-request-size = ${proxy.upload * 1024}
url.redirect = ( "^/\\.well-known/(cal|card)dav" => "/" )
extforward.forwarder = ( "10.0.3.1" => "trust" )
extforward.headers = ( "X-Forwarded-For" )
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => 5232 )) )
${proxy.addresses ? 'accesslog.filename = "/dev/stderr"\naccesslog.format = "%h %m %U %s"\n' : ""}${headers ? `setenv.add-response-header = (\n${headers}\n)\n` : ""}`;
}
