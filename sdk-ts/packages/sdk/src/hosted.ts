/** What the host knows: each value is read once, or as part of what runs (`const`), or watched. */
export { filledAddress, getBridgeAddress as bridgeAddress, getHost as addresses, type Filled, type FilledHost, type Filter } from "./addresses.js";
export { getContainerIp as containerIp, getOutboundGateway as gateway, getServiceManifest as manifest, getSslCertificate as certificate, getStatus as status, getSystemSmtp as smtp } from "./host.js";
